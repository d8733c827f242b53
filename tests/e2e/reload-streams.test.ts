/** SIGHUP and named streams: they come, change and go by the file, while others run on. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { type SrtEnd, SrtThread } from "../harness/srt-end.ts";

setDefaultTimeout(40_000);

const latency_ms = 300;
let thread: SrtThread;
let ports: PortBlock;
beforeAll(async () => {
  thread = await SrtThread.start();
  ports = await claimPorts({ srt_ports: 1 });
});
afterAll(async () => {
  await thread.close();
  await ports.release();
});

test("streams follow the file, and their people with them", async () => {
  const port = ports.srt.first;
  const settings = (streams: Settings["streams"]): Settings => ({
    gosrt: { shared_port: port },
    streams: { stays: {}, ...streams },
  });
  const before = settings({ goes: {}, keyed: { read_key: "old" } });
  const gateway = await GatewayProcess.start({ settings: before });
  const reload = (streams: Settings["streams"]) => gateway.reload(settings(streams));
  const dial = (stream_id: string) => thread.connect({ port, latency_ms, stream_id });
  const hears = async (publisher: SrtEnd, viewer: SrtEnd, word: string) => {
    publisher.send(word);
    expect((await viewer.message()).toString()).toBe(word);
  };
  try {
    const [publisher, viewer] = [await dial("publish:stays"), await dial("read:stays")];
    const [gone, shut] = [await dial("read:goes"), await dial("read:keyed:old")];
    for (const name of ["stays", "goes", "keyed"]) await gateway.logged("viewing", { name });

    expect(await reload({ comes: {}, keyed: { read_key: "new" } })).toMatchObject({
      status: "reloaded",
      applied: ["streams.goes", "streams.keyed", "streams.comes"],
      needs_restart: [],
    });
    const stop = await gateway.logged("view_stop", { name: "goes" });
    expect(stop.reason).toBe("removed");
    const other_stop = await gateway.logged("view_stop", { name: "keyed" });
    expect(other_stop.reason).toBe("key_changed");
    await Promise.all([gone.turnedAway(), shut.turnedAway()]);
    await thread.dial({ port, stream_id: "read:goes" }).turnedAway();
    const line = await gateway.logged("stream_denied", { port });
    expect(JSON.stringify(line)).not.toContain("old");

    const late = [await dial("read:comes"), await dial("read:keyed:new")];
    await gateway.logged("viewing", { name: "comes" });
    await gateway.logged("viewing", { name: "keyed" });
    await hears(publisher, viewer, "all the while");
    for (const end of [publisher, viewer, ...late]) await end.close();
  } finally {
    await gateway.stop();
  }
});
