/** What an operator leaves running to look on outlives the gateway that it looks at. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { claimPorts } from "../harness/free-ports.ts";
import { type GatewayOptions, GatewayProcess } from "../harness/gateway-process.ts";
import { Tool } from "../harness/tool.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(40_000);

test("logs --follow and sessions --watch go on with the gateway that has started again", async () => {
  const ports = await claimPorts({ tcp_ports: 4 });
  const port = ports.tcp.last;
  const tools: Tool[] = [];
  const admin = ["--admin", `127.0.0.1:${port}`];
  const options: GatewayOptions = {
    settings: {
      zeromq: { port_range: `${ports.tcp.first}-${port - 1}` },
      admin: { port },
    },
  };
  let gateway: GatewayProcess | undefined;
  const start = async () => {
    // The second one gets the ports of the first, so they are kept until the end.
    gateway = await GatewayProcess.startOn({ ...ports, release: async () => {} }, options);
    await gateway.logged("admin_serving");
    return await V4Client.register({ port: gateway.control_port, role: "client", id: "fe" });
  };
  try {
    await (await start()).close();
    const logs = new Tool(["logs", "--follow", "--json", "--status", "registered", ...admin]);
    const sessions = new Tool(["sessions", "--watch", ...admin]);
    tools.push(logs, sessions);
    await logs.wrote(/"seq"/);
    await sessions.wrote(/no sessions/);
    await gateway!.kill();
    await logs.wrote(/no answer.*Tried again every second/);
    await sessions.wrote(/no answer.*Tried again every second/);
    const shown = sessions.stdout.length;
    await (await start()).close();
    await logs.wrote(/"seq"[^]*"seq"/);
    await sessions.wrote(new RegExp(`^[^]{${shown}}[^]*no sessions`));
    for (const tool of tools) tool.signal("SIGINT");
    expect(await Promise.all(tools.map(({ exit }) => exit))).toEqual([0, 0]);
    expect(logs.stderr.split("no answer")).toHaveLength(2);
  } finally {
    await Promise.all(tools.map((tool) => tool.kill()));
    await gateway?.kill();
    await ports.release();
  }
});
