/** nginx with its stream module. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { type Pair, portPairs, programVersion, runningProxy } from "./proxy.ts";

/** Where Debian and Ubuntu keep the module that is loaded at run time. */
const STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";

export function nginx({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "nginx",
    carries: ["tcp"],
    setup:
      "nginx's stream module with one worker per core and `proxy_buffer_size` 1 MiB: it has no " +
      "splice, so larger copies are all that its manual offers for bulk.",
    shown: configuration({ folder: "/run/bench", pairs: [{ front_port: 8000, back_port: 9000 }] }),
    version: () => programVersion("nginx", ["-v"], /nginx\/(\S+)/),
    async start({ children, folder, need }) {
      const pairs = await portPairs(ports, need.groups);
      const file = join(folder, "nginx.conf");
      await writeFile(file, configuration({ folder, pairs }));
      const child = children.start({
        name: "nginx",
        command: "nginx",
        args: ["-p", folder, "-e", join(folder, "error.log"), "-c", file],
      });
      return await runningProxy(child, pairs);
    },
  };
}

function configuration({ folder, pairs }: { folder: string; pairs: Pair[] }): string {
  return [
    `load_module ${STREAM_MODULE};`,
    "daemon off;",
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log crit;`,
    "worker_processes auto;",
    "worker_rlimit_nofile 20000;",
    "events { worker_connections 15000; }",
    "stream {",
    "  proxy_buffer_size 1m;",
    "  proxy_timeout 20m;",
    "  tcp_nodelay on;",
    // Without it the end of one direction cuts off the other.
    "  proxy_half_close on;",
    ...pairs.map(({ front_port, back_port }) =>
      `  server { listen 127.0.0.1:${front_port}; proxy_pass 127.0.0.1:${back_port}; }`
    ),
    "}",
    "",
  ].join("\n");
}
