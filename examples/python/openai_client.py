"""Pictures with the stock openai package: whole, then as a stream that shows the denoising.

    python openai_client.py [http://127.0.0.1:8080] [API key]
"""

import base64
import sys

from openai import OpenAI

# What OpenAI's API has no name for travels in extra_body.
EXTRA = {"seed": 1, "num_inference_steps": 50, "guidance_scale": 2}


def save(name, b64):
    with open(name, "wb") as f:
        f.write(base64.b64decode(b64))
    print("wrote", name)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    client = OpenAI(base_url=url + "/v1", api_key=sys.argv[2] if len(sys.argv) > 2 else "none")

    print("models:", ", ".join(m.id for m in client.models.list()))

    answer = client.images.generate(model="mnist", prompt="a handwritten 7", n=2, extra_body=EXTRA)
    print("seed", answer.seed, "fingerprint", answer.system_fingerprint)
    for i, picture in enumerate(answer.data):
        save(f"openai-{i}.png", picture.b64_json)

    # The same request as a stream gives the same picture, and three on the way to it.
    stream = client.images.generate(model="mnist", prompt="a handwritten 7", stream=True, partial_images=3,
                                    extra_body=EXTRA)
    for event in stream:
        if event.type == "image_generation.partial_image":
            save(f"openai-step-{event.step:03d}.png", event.b64_json)
        elif event.type == "image_generation.completed":
            save("openai-last.png", event.b64_json)
            print("equal to the first picture above:", event.b64_json == answer.data[0].b64_json)


if __name__ == "__main__":
    main()
