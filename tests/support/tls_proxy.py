"""TLS on loopback before a server that has none, by a certificate of an authority of the test's own."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFE = dt.timedelta(days=1)


class Authority:
    """An authority; `file` holds its certificate, `chain` the key and certificate of a server at `host`."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.chain = folder / "authority.pem", folder / "server.pem"
        own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = _name("embedfleet test authority")
        signs = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
        authority = (
            _builder(name, name, own.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(signs, critical=True)
            .add_extension(identifier, critical=False)
            .sign(own, hashes.SHA256())
        )
        served = (
            _builder(_name(host), name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
            .sign(own, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.file.write_bytes(authority.public_bytes(pem))
        plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.chain.write_bytes(plain + served.public_bytes(pem))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
    )


@contextmanager
def behind_tls(port: int, authority: Authority) -> Generator[int, None, None]:
    """A port on loopback that speaks TLS, HTTP/1.1 or HTTP/2, and passes all to another one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain)
    context.set_alpn_protocols(["h2", "http/1.1"])
    started = Future[tuple[int, Callable[[], object]]]()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _serve(port, context, started))
        number, stop = started.result()
        try:
            yield number
        finally:
            stop()


async def _serve(
    port: int, context: ssl.SSLContext, started: Future[tuple[int, Callable[[], object]]]
) -> None:
    """Pass connections on until what is put into `started`, beside the port, is called. Open ones are cut."""
    loop, stopped, writers = asyncio.get_running_loop(), asyncio.Event(), list[asyncio.StreamWriter]()
    loop.set_exception_handler(lambda _loop, _context: None)  # of clients that do not accept the certificate

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            back, on = await asyncio.open_connection("127.0.0.1", port)
            writers.extend([writer, on])
            await asyncio.gather(_pass(reader, on), _pass(back, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    started.set_result((server.sockets[0].getsockname()[1], partial(loop.call_soon_threadsafe, stopped.set)))
    await stopped.wait()
    server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)  # in which they are closed


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()
