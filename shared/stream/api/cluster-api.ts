/** What only a cluster of servers does, and a single one says so of [nats-server jetstream_api.go]. */
import { JetStreamError } from '../jetstream-error.ts'
import type { ApiRoute } from './api-context.ts'

const REFUSALS: Readonly<Record<string, readonly [type: string, args: number]>> = {
  'STREAM.LEADER.STEPDOWN': ['stream_leader_stepdown', 1],
  'STREAM.PEER.REMOVE': ['stream_remove_peer', 1],
  'STREAM.PEER.EVACUATE': ['stream_evacuate_peer', 1],
  'STREAM.CANCEL_MOVE': ['stream_cancel_move', 1],
  'CONSUMER.LEADER.STEPDOWN': ['consumer_leader_stepdown', 2],
}

export const CLUSTER_ROUTES: Readonly<Record<string, ApiRoute>> = Object.fromEntries(
  Object.entries(REFUSALS).map(([name, [type, args]]) => [
    name,
    { type, args, judge: refuse, handle: refuse },
  ]),
)

function refuse(): never {
  throw new JetStreamError(10010)
}
