# syntax=docker/dockerfile:1
#
#   docker build -t meterline .
#   docker run --read-only --tmpfs /tmp -v meterline:/data -p 7070:7070 -e METERLINE_PLAINTEXT=true meterline
#
# The engine as nobody in particular, on a root that needs not be written: /data holds what is kept, /tmp what passes.
# Every setting is a variable, or a line of a file that is mounted over container/meterline.yaml: docs/configuration.md.

# Python 3.11 is what every test runs on. glibc, since chDB and the other wheels are built for it. Not a distroless image:
# its Python is another build than that of the wheels' stage. Nothing at run time starts a shell all the same.
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The dependencies first: they change less often than the code. Each by its hash, and nothing beside the lock, which has the
# extras too: every setting works in the container.
COPY requirements/container.lock requirements/container.lock
RUN python -m venv --without-pip /opt/meterline \
 && python -m pip --python /opt/meterline/bin/python install --require-hashes --no-deps -r requirements/container.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY meterline meterline
COPY fields fields
COPY ingest ingest
COPY rating rating
COPY engine engine
# In the lock, and of no use afterwards: hatchling has built the wheel, and the engine never loads the pandas that chDB brings
# (engine/__main__.py): 84 MB.
RUN python -m pip --python /opt/meterline/bin/python install --no-deps --no-build-isolation --no-index . \
 && python -m pip --python /opt/meterline/bin/python uninstall --yes hatchling pandas \
 && /opt/meterline/bin/python -m compileall -q /opt/meterline/lib \
 && install -d -o 65532 -g 65532 -m 0700 /rootfs/data

FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="Meterline" \
      org.opencontainers.image.description="Self-hosted usage metering and rating" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/meterline /opt/meterline
COPY --from=build /rootfs/ /
COPY container/meterline.yaml /etc/meterline/meterline.yaml

ENV PATH=/opt/meterline/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    METERLINE_CONFIG=/etc/meterline/meterline.yaml

# By numbers, so that an orchestrator can see that it is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
# gRPC; metrics and probes; HTTP, where METERLINE_HTTP_LISTEN says so.
EXPOSE 7070 7071 7080
# The engine stores what waits, and ends.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes asks /livez, /readyz and /startupz itself and ignores one, and each check would start a
# Python beside the engine. compose.yaml has its own, for Docker alone.
ENTRYPOINT ["/opt/meterline/bin/meterline"]
CMD ["serve"]
