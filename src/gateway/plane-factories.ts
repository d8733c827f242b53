/** What the planes are made by; others can stand in for the real ones in tests. */
import type { Config } from "../config/schema.ts";
import type { FastwayListener, FastwayPlane } from "../data/fastway/plane.ts";
import { WorkerFastwayPlane } from "../data/fastway/worker-plane.ts";
import type { Plane, PlaneListener } from "../data/plane.ts";
import type { RateBook } from "../data/rate-book.ts";
import { SrtPlane } from "../data/srt/plane.ts";
import type { StandingListener, StandingPlane } from "../data/standing.ts";
import { TcpPlane } from "../data/tcp/plane.ts";
import { TcpStandingPlane } from "../data/tcp/standing-plane.ts";
import type { PerPlane } from "../sessions/session-table.ts";

export type PlaneFactory = (
  options: { config: Config; listener: PlaneListener; rates: RateBook },
) => Plane;

export interface PlaneFactories {
  planes: PerPlane<PlaneFactory>;
  /** That of standing ports. */
  standing: (
    options: { config: Config; ports_max: number; listener: StandingListener; rates: RateBook },
  ) => StandingPlane;
  fastway: (options: { config: Config; listener: FastwayListener }) => FastwayPlane;
}

export const PLANES: PlaneFactories = {
  planes: {
    zmq: (options) => new TcpPlane(options),
    srt: (options) => new SrtPlane(options),
  },
  standing: (options) => new TcpStandingPlane(options),
  fastway: (options) => new WorkerFastwayPlane(options),
};
