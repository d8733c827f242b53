/** A data worker that hangs for good does not keep the gateway from its orderly end. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience_ms } from "../harness/deadline.ts";
import { FrozenThread, workerThreads } from "../harness/frozen-thread.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";

setDefaultTimeout(30_000);

/** The threads of both workers, once each of them waits in the kernel. */
async function bothAtRest(pid: number): Promise<number[]> {
  for (const until_ms = performance.now() + patience_ms; performance.now() < until_ms;) {
    const threads = (["tcp", "srt"] as const).flatMap((kind) => workerThreads(pid, kind));
    if (threads.length === 2) return threads;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the workers do not come to rest");
}

test("the gateway stops although both its data workers hang", async () => {
  const gateway = await GatewayProcess.start();
  try {
    const threads = await bothAtRest(gateway.pid);
    const frozen = threads.map((thread) => new FrozenThread(thread));
    try {
      gateway.signal("SIGTERM");
      await gateway.logged("stopped");
    } finally {
      // A process is not gone before the tracer of its threads lets it.
      for (const one of frozen) one.thaw();
    }
    expect(await gateway.exited()).toMatchObject({ code: 0, signal: null });
  } finally {
    await gateway.kill();
  }
});
