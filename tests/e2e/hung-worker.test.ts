/** A data worker that hangs for good does not keep the gateway from its orderly end. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { FrozenThread, workerThreads } from "../harness/frozen-thread.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";

setDefaultTimeout(30_000);

test("the gateway stops although both its data workers hang", async () => {
  const gateway = await GatewayProcess.start();
  try {
    const threads = (["tcp", "srt"] as const).flatMap((kind) => workerThreads(gateway.pid, kind));
    expect(threads).toHaveLength(2);
    const frozen = threads.map((thread) => new FrozenThread(thread));
    try {
      gateway.signal("SIGTERM");
      await gateway.logged("stopped");
    } finally {
      // A thread that is traced is not gone before its tracer lets it.
      for (const one of frozen) one.thaw();
    }
    expect(await gateway.exited()).toMatchObject({ code: 0, signal: null });
  } finally {
    await gateway.kill();
  }
});
