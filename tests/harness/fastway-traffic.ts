/**
 * A program of the client library: a server and a client in one process, with many conversations at
 * once whose messages all come back, each at the pace that the other end takes. It writes `carried N`
 * and ends with 0 when nothing was lost, changed or told out of its order.
 *
 *   CLIENT_PORT SERVER_PORT KEY plain|snet|snet+rc4 SEED
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { connectClient, connectServer, type VirtualConnection } from "../../clients/fastway/mod.ts";
import { Random } from "./random.ts";

const CONNECTIONS = 12;
const MESSAGES = 250;
const SIZES = [0, 1, 17, 600, 4096, 30_000];

const [client_port, server_port, key, manner, seed] = process.argv.slice(2);
const snet = manner !== "plain" && { encrypt: manner === "snet+rc4", retry_interval_ms: 20 };
let times_away = 0;
const common = {
  host: "127.0.0.1",
  snet,
  onAway: () => times_away++,
  when_full: "pause",
  receive_messages_max: 20,
} as const;

const server = await connectServer({ ...common, port: Number(server_port), id: 3, key });
const client = await connectClient({ ...common, port: Number(client_port) });

async function echo(connection: VirtualConnection): Promise<void> {
  for await (const message of connection) await connection.send(message, { transfer: true });
}

async function listen(): Promise<void> {
  for await (const connection of server) {
    // What goes wrong on the way is missed at the other end, which says so.
    echo(connection).catch(() => {});
  }
}

async function converse(number: number): Promise<void> {
  const connection = await client.dial(3);
  const wanted = new Random(Number(seed) + number);
  const random = new Random(Number(seed) + number);
  const hearing = (async () => {
    for (let i = 0; i < MESSAGES; i++) {
      const message = await connection.receive();
      const right = wanted.bytes(wanted.pick(SIZES));
      if (message === null || Buffer.compare(message, right) !== 0) {
        throw new Error(`conversation ${number}: message ${i} has changed or is lost`);
      }
    }
  })();
  for (let i = 0; i < MESSAGES; i++) {
    const bytes = random.bytes(random.pick(SIZES));
    await connection.send(bytes, { transfer: i % 2 === 0 });
    if (i % 2 === 1) bytes.fill(0);
  }
  await hearing;
  connection.close();
}

/** Whoever waits for messages would wait for the gateway to give up a server that is gone. */
for (const endpoint of [server, client]) {
  endpoint.closed.then((error) => {
    if (error === null) return;
    console.log(error.message);
    process.exit(1);
  });
}

listen();
await Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => converse(number)));
await Promise.all([client.close(), server.close()]);
console.log(`carried ${CONNECTIONS * MESSAGES}, away ${times_away}`);
