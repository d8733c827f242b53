/** The fastway plane through real sockets: what it promises to its peers and to the control side. */
import { expect, test } from "bun:test";
import { close, dial, frame, ping, startFastway } from "./fastway-rig.ts";

test("a client dials a server and messages pass both ways, verbatim and in order", async () => {
  const rig = await startFastway();
  try {
    const server = await rig.server(7);
    const client = await rig.client();
    await client.send(dial(7));
    expect(await client.hears()).toBe("accept 1 7");
    expect(await server.hears()).toBe(`connect 1 ${client.id}`);
    await client.send(frame(1, "hello"), frame(1, ""), frame(1, "again"), ping());
    expect(await server.hears()).toBe("data 1 hello");
    expect(await server.hears()).toBe("data 1 ");
    expect(await server.hears()).toBe("data 1 again");
    expect(await client.hears()).toBe("ping");
    await server.send(frame(1, "back"));
    expect(await client.hears()).toBe("data 1 back");
    await client.send(close(1));
    expect(await client.hears()).toBe("close 1");
    expect(await server.hears()).toBe("close 1");
  } finally {
    await rig.close();
  }
});

test("a server dials a client by its number", async () => {
  const rig = await startFastway();
  try {
    const server = await rig.server(0xffff_ffff);
    const client = await rig.client();
    await server.send(dial(client.id));
    expect(await client.hears()).toBe(`connect 1 ${server.id}`);
    expect(await server.hears()).toBe(`accept 1 ${client.id}`);
    client.end.destroy();
    expect(await server.hears()).toBe("close 1");
    await server.send(dial(client.id));
    expect(await server.hears()).toBe(`refuse ${client.id}`);
  } finally {
    await rig.close();
  }
});
