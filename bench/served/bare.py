"""The floor: a model in ONNX Runtime behind an ASGI handler that checks nothing and keeps nothing.

python bare.py SERVER MODEL.onnx PORT        SERVER is `granian` or `uvicorn`
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import onnxruntime
import orjson

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BARE_MODEL"], options, providers=["CPUExecutionProvider"])
given, wanted = session.get_inputs()[0].name, session.get_outputs()[-1].name


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            break
    row = orjson.loads(content)["rows"][0]
    score = session.run([wanted], {given: np.array([list(row.values())], dtype=np.float32)})[0]
    answer = orjson.dumps({"predictions": [float(np.asarray(score)[0, -1])]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    server, _, port = sys.argv[1:]
    if server == "granian":
        from granian import Granian

        Granian("bare:app", port=int(port), interface="asginl", workers=1, log_enabled=False).serve()
    else:
        import uvicorn

        uvicorn.run(app, port=int(port), lifespan="off", access_log=False, log_level="error")
