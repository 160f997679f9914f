"""Un tunnel comme celui de Codespaces, en petit : TLS, des noms `NOM-PORT.app.github.dev`, le vrai port derrière.

Il tourne là où tournerait celui de GitHub, dans l'espace de travail : `python -m tests.helpers.tunnel PORT`. Selon les
clients, le vrai garde le nom public dans `Host` ou le remplace par `localhost` ; l'origine, elle, reste publique. Les
noms en `keep-` gardent `Host`, les autres le perdent.
"""

import asyncio
import datetime
import re
import ssl
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

DOMAIN = "app.github.dev"
HOST = re.compile(rb"^Host: *(\S+)\r\n", re.IGNORECASE | re.MULTILINE)
NAME = re.compile(r"(?P<form>keep|rewrite)-.*-(?P<port>\d+)\.app\.github\.dev(:\d+)?")


def public_url(form: str, port: int) -> str:
    """L'adresse publique de ce port, pour l'une des deux formes : `keep` ou `rewrite`."""
    return f"https://{form}-atelier-{port}.{DOMAIN}"


def browser_options(host: str, port: int) -> list[str]:
    """De quoi mener Chromium à ce tunnel, sous ces noms-là.

    Son certificat n'est reconnu de personne. Qu'une page le refuse, puis passe outre, compte comme un essai de plus
    pour chaque requête, et Chromium finit par renoncer à l'une d'elles : ici, il ne le vérifie pas.
    """
    return [f"--host-resolver-rules=MAP *.{DOMAIN} {host}:{port}", "--ignore-certificate-errors"]


async def serve(host: str, port: int) -> None:
    """Sert jusqu'à ce qu'on l'arrête."""
    server = await asyncio.start_server(_forward, host, port, ssl=_certificate())
    async with server:
        print("prêt", flush=True)
        await server.serve_forever()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Une requête par connexion, sauf si elle devient une WebSocket : ainsi, pas de HTTP à comprendre."""
    with suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        found = HOST.search(head)
        name = NAME.fullmatch(found[1].decode()) if found else None
        if name:
            port = int(name["port"])
            if name["form"] == "rewrite":
                head = HOST.sub(f"Host: localhost:{port}\r\n".encode(), head)
            if b"\r\nupgrade:" not in head.lower():
                head = re.sub(rb"\r\nConnection:[^\r]*", b"", head, flags=re.IGNORECASE)
                head = head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
            server_writer.write(head)
            upload = asyncio.create_task(_copy(reader, server_writer))
            await _copy(server_reader, writer)
            upload.cancel()
            server_writer.close()
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


def _certificate() -> ssl.SSLContext:
    """Un certificat d'un jour, signé par lui-même."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"*.{DOMAIN}")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"*.{DOMAIN}")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tunnel.pem")
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return context


if __name__ == "__main__":
    asyncio.run(serve("0.0.0.0", int(sys.argv[1])))
