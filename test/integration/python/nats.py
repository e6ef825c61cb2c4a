"""Stands in for nats-py, which a test machine may lack: what docs/examples/one_request.py uses of it, over a real connection."""

import asyncio
from urllib.parse import urlsplit


class Message:
    def __init__(self, data):
        self.data = data


class Subscription:
    def __init__(self):
        self.messages = asyncio.Queue()

    async def next_msg(self, timeout):
        return await asyncio.wait_for(self.messages.get(), timeout)


class Client:
    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self._subscriptions = {}
        self._pongs = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def subscribe(self, subject):
        number = len(self._subscriptions) + 1
        self._subscriptions[number] = subscription = Subscription()
        self._writer.write(f"SUB {subject} {number}\r\n".encode())
        return subscription

    async def request(self, subject, data, timeout):
        inbox = f"_INBOX.example.{len(self._subscriptions) + 1}"
        reply = await self.subscribe(inbox)
        self._writer.write(f"PUB {subject} {inbox} {len(data)}\r\n".encode() + data + b"\r\n")
        return await reply.next_msg(timeout)

    async def flush(self):
        self._writer.write(b"PING\r\n")
        await self._pongs.get()

    async def close(self):
        self._reading.cancel()
        self._writer.close()

    async def _read(self):
        while line := await self._reader.readline():
            words = line.decode().split()
            if words[0] == "MSG":
                data = await self._reader.readexactly(int(words[-1]))
                await self._reader.readexactly(2)
                self._subscriptions[int(words[2])].messages.put_nowait(Message(data))
            elif words[0] == "PING":
                self._writer.write(b"PONG\r\n")
            elif words[0] == "PONG":
                self._pongs.put_nowait(None)


async def connect(url):
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"lang":"python","version":"0"}\r\n')
    return Client(reader, writer)
