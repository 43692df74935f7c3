"""A proxy in front of the emulator, for what that does not do itself: CONNECT, TLS, certificates of clients, a password."""

import base64
import socket
import ssl
import threading
from contextlib import contextmanager, suppress


class Front:
    """Where it listens, and what it saw."""

    def __init__(self, port):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.targets = []


@contextmanager
def running(emulator_port, tls=None, password=None):
    """A front that speaks TLS with `tls`, an SSLContext, to who CONNECTs, and wants `password` (`user:password`) of all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front = Front(listener.getsockname()[1])

        def accept():
            # Until the listener is closed.
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        def serve(connection):
            # What a client breaks off is the client's to tell.
            with suppress(OSError), connection:
                head = read_head(connection)
                method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
                front.targets.append(f"{method} {target}")
                if password and f"Basic {base64.b64encode(password.encode()).decode()}".encode() not in head:
                    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", emulator_port)) as emulator:
                    if method != "CONNECT":
                        emulator.sendall(head)
                        join(connection, emulator)
                        return
                    connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    with tls.wrap_socket(connection, server_side=True) as inner:
                        join(inner, emulator)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield front
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        some = connection.recv(65_536)
        if not some:
            raise OSError("closed")
        head += some
    return head


def join(client, server):
    """Carries bytes in both directions, until either closes."""
    there = threading.Thread(target=carry, args=(client, server), daemon=True)
    there.start()
    carry(server, client)
    there.join()


def carry(source, sink):
    with suppress(OSError):
        while some := source.recv(65_536):
            sink.sendall(some)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def context(certificates, wants_client_certificate=False):
    """The server's side of TLS, with the files that the emulator made."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    if wants_client_certificate:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(certificates / "ca.pem")
    return made
