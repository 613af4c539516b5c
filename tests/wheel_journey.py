"""From an empty data directory to a rated line, with whatever `meterline` is installed for this interpreter.

python wheel_journey.py CATALOG DIRECTORY
"""

import json
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

catalog, directory = Path(sys.argv[1]), Path(sys.argv[2])
SERVE = [
    sys.executable,
    "-m",
    "engine",
    "serve",
    "--data",
    str(directory / "data"),
    "--listen",
    "127.0.0.1:0",
]
SERVE += [
    "--http-listen",
    "127.0.0.1:0",
    "--no-metrics",
    "--log-format",
    "json",
    "--event-age-max-days",
    "36525",
]

engine = subprocess.Popen(SERVE, stderr=subprocess.PIPE, text=True)
try:
    target = next(
        entry["address"] for entry in map(json.loads, engine.stderr or ()) if entry["event"] == "serving"
    )
    command = [sys.executable, "-m", "engine"]
    subprocess.run(
        [*command, "apply", "-f", catalog, "--target", target], check=True, stdout=subprocess.DEVNULL
    )

    import meterline

    customer = json.loads(
        next(
            line
            for line in subprocess.run(
                [*command, "catalog", "--target", target], check=True, capture_output=True, text=True
            ).stdout.splitlines()
            if json.loads(line)["kind"] == "customer"
        )
    )["id"]
    at = datetime(2023, 11, 20, tzinfo=UTC)
    # Commands find the first key by themselves; a service is given one.
    api_key = (directory / "data" / "admin.key").read_text(encoding="ascii").strip()
    with meterline.Client(target, api_key=api_key) as client:
        properties = {"model": "large", "input_tokens": 1_000_000, "output_tokens": 44}
        client.record(customer, "llm.completion", properties, event_time=at)
        delivery = client.flush()
        if delivery.accepted != 1:
            raise SystemExit(f"the event was not accepted: {delivery}")
    lines = subprocess.run(
        [*command, "lines", "--customer", customer, "--json", "--at", "2023-11-20", "--target", target],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    link = subprocess.run(
        [*command, "spend-link", customer, "--target", target], check=True, capture_output=True, text=True
    ).stdout.strip()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = browser.open(f"{link}&at=2023-11-20", timeout=120).read().decode()
    static = re.findall(r'"(/spend/static/[^"]+)"', page)
    if "1,000,000" not in page or len(static) < 4:
        raise SystemExit(f"the spend page is not whole: {page}")
    for path in static:
        browser.open(link.partition("/spend")[0] + path, timeout=120).close()
    quantities = [json.loads(line).get("quantity") for line in lines]
    if "1000000" not in quantities:
        raise SystemExit(f"no line has the quantity 1000000: {quantities}")
finally:
    engine.terminate()
    engine.wait(60)
