"""The same stream with nothing but requests: server-sent events, taken up again when the connection breaks.

    python sse_client.py [http://127.0.0.1:8080] [API key]
"""

import base64
import json
import sys
import time

import requests

ATTEMPTS = 5  # without an event in between


def lines_to_events(lines):
    """Groups the lines of a text/event-stream into (event, id, data)."""
    name = ident = data = None
    for line in lines:
        if not line:  # an empty line ends an event
            if data is not None:
                yield name, ident, json.loads(data)
            name = ident = data = None
            continue
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "id":
            ident = value
        elif field == "data":
            data = value
        # A line that begins with a colon is a comment, which keeps silent streams open.


def stream(url, body, key):
    """Yields events. After a break it sends the same request with the last id, which ends a group of n pictures; those
    of a group that was cut come again."""
    last, failed = None, 0
    while True:
        headers = {"Authorization": "Bearer " + key}
        if last:
            headers["Last-Event-ID"] = last
        try:
            with requests.post(url, json=body, headers=headers, stream=True, timeout=60) as response:
                if response.status_code != 200:
                    error = response.json().get("error", response.text)
                    raise SystemExit(f"status {response.status_code}: {error}")
                for name, ident, event in lines_to_events(response.iter_lines(decode_unicode=True)):
                    if ident:
                        last, failed = ident, 0
                    yield name, event
                    if name == "error" or name == "image_generation.completed" and ident:
                        return  # the last picture of the last group carries an id
        except requests.exceptions.RequestException as error:
            print("the stream broke, taking it up again:", error, file=sys.stderr)
        failed += 1
        if failed >= ATTEMPTS:
            raise SystemExit("giving up")
        time.sleep(0.2 * failed)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    key = sys.argv[2] if len(sys.argv) > 2 else "none"
    body = {"model": "mnist", "prompt": "3", "n": 2, "stream": True, "partial_images": 4, "seed": "5",
            "num_inference_steps": 50, "sampler": "dpmpp_2m"}
    for name, event in stream(url + "/v1/images/generations", body, key):
        if name == "error":
            raise SystemExit(event["error"]["message"])
        file = f"sse-{event['image_index']}-step-{event['step']:03d}.png"
        with open(file, "wb") as f:
            f.write(base64.b64decode(event["b64_json"]))
        print(f"{name:32} step {event['step']:3d} seed {event['seed']} wrote {file}")


if __name__ == "__main__":
    main()
