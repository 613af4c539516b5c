"""The process that makes one PDF: a job as JSON on standard input, the PDF on standard output, what went wrong on standard error.

It is started as a file, apart from the engine, and loads nothing of it: a template that never ends or asks for all memory takes
nothing else with it, and it has neither files beside those of the job nor a way to the network.
"""

import json
import resource
import sys

_CPU_S_MAX = 30
_MEMORY_BYTES_MAX = 2 * 1024**3
_FILES_MAX = 64


def main() -> int:
    """The exit code."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S_MAX, _CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES_MAX, _FILES_MAX))
    # It writes nothing but standard output, which is a pipe: no package is kept either.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import typst  # noqa: PLC0415 - within the bounds

    job = json.load(sys.stdin)
    try:
        made = typst.compile(
            f"{job['root']}/{job['main']}",
            root=job["root"],
            font_paths=[job["fonts"]] if job["fonts"] else [],
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"document": job["document"]},
            # Tagged, with what readers need who don't see the page.
            pdf_standards=["ua-1"],
            package_path=job["no_packages"],
            package_cache_path=job["no_packages"],
            timestamp=job["timestamp_s"],
        )
    except typst.TypstError as error:
        sys.stderr.write(f"{error.message}\n{error.diagnostic}")
        return 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
