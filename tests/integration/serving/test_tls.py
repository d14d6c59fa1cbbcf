"""TLS against real workers: HTTP and gRPC, a renewed certificate, and callers who speak in clear."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from windlass.app.door import products_at

from ...certificates import self_signed  # type: ignore[import-not-found]
from ...ports import free_port  # type: ignore[import-not-found]


def asked(port: int, trusted: Path, row: Any) -> tuple[int, Any]:
    """The answer over a connection of its own, to somebody who trusts one certificate."""
    context = ssl.create_default_context(cafile=str(trusted))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=120)
    try:
        body = json.dumps({"rows": [row]})
        connection.request("POST", "/flights/predict", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def shown(port: int, trusted: Path) -> bool:
    """Whether the server shows this certificate by now."""
    theirs = ssl.get_server_certificate(("127.0.0.1", port))
    return ssl.PEM_cert_to_DER_cert(theirs) == ssl.PEM_cert_to_DER_cert(trusted.read_text())


def in_clear(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    finally:
        connection.close()


def alive(port: int, trusted: Path | None) -> bool:
    """What gRPC says to somebody who trusts one certificate; to one who trusts none, and asks in clear."""
    channel = (
        grpc.insecure_channel(f"127.0.0.1:{port}")
        if trusted is None
        else grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(trusted.read_bytes()))
    )
    with channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        return bool(stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=120).live)


def test_both_protocols_answer_by_tls_alone(world: Any) -> None:
    certificate, key = self_signed(world.root, "shop")
    port = free_port()
    with world.server(grpc_port=port, tls_certificate=str(certificate), tls_key=str(key)) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        status, told = asked(server.port, certificate, world.row)
        assert (status, told["predictions"][0]["version"]) == (200, "v1")
        assert alive(port, certificate)
        assert products_at(server.url) == {"flights"}
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(server.port, self_signed(world.root, "stranger")[0], world.row)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            in_clear(server.port)
        with pytest.raises(grpc.RpcError):
            alive(port, None)


def test_a_renewed_certificate_is_shown_without_a_restart(world: Any) -> None:
    certificate, key = self_signed(world.root, "shop")
    newer, its_key = self_signed(world.root, "newer")
    port = free_port()
    with world.server(grpc_port=port, tls_certificate=str(certificate), tls_key=str(key)) as server:
        pids = server.pids
        assert asked(server.port, certificate, world.row)[0] == 200
        assert alive(port, certificate)
        renewed = world.root / "renewed.pem"
        renewed.write_bytes(newer.read_bytes())
        its_key.replace(key)
        newer.replace(certificate)
        until = time.monotonic() + 120
        while not shown(server.port, renewed):
            assert time.monotonic() < until
        assert asked(server.port, renewed, world.row)[0] == 200
        assert alive(port, renewed)
        assert server.pids == pids


def test_a_caller_who_breaks_off_the_handshake_holds_nobody_up(world: Any) -> None:
    certificate, key = self_signed(world.root, "shop")
    with world.server(tls_certificate=str(certificate), tls_key=str(key)) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        silent[0].sendall(b"\x16\x03\x01\x02\x00")  # the head of a record whose body never comes
        silent[1].sendall(b"nonsense\r\n\r\n")
        assert asked(server.port, certificate, world.row)[0] == 200
        for each in silent:
            each.close()
        assert asked(server.port, certificate, world.row)[0] == 200
