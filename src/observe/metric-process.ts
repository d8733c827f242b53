/** The metrics of the process, under the names that Prometheus' own clients use. */
import { type Family, one } from "./metric-readings.ts";

export const PROCESS: readonly Family[] = [
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the gateway started, Unix time.",
    labels: [],
    read: ({ started_at_unix_ms }) => one(started_at_unix_ms / 1000),
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "CPU time of all threads.",
    labels: [],
    read: ({ process }) => one(process.cpu_user_s + process.cpu_system_s),
  },
  {
    name: "process_cpu_user_seconds_total",
    type: "counter",
    help: "CPU time of all threads in user mode.",
    labels: [],
    read: ({ process }) => one(process.cpu_user_s),
  },
  {
    name: "process_cpu_system_seconds_total",
    type: "counter",
    help: "CPU time of all threads in the kernel.",
    labels: [],
    read: ({ process }) => one(process.cpu_system_s),
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory in use.",
    labels: [],
    read: ({ process }) => one(process.resident_bytes),
  },
  {
    name: "process_virtual_memory_bytes",
    type: "gauge",
    help: "Address space.",
    labels: [],
    read: ({ process }) => one(process.virtual_bytes),
  },
  {
    name: "process_threads",
    type: "gauge",
    help: "Threads.",
    labels: [],
    read: ({ process }) => one(process.threads),
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Open descriptors.",
    labels: [],
    read: ({ process }) => one(process.open_fds),
  },
  {
    name: "process_max_fds",
    type: "gauge",
    help: "Descriptors that may be open.",
    labels: [],
    read: ({ process }) => one(process.max_fds),
  },
];
