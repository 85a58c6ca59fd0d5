import type { ConnectionFacts } from '../../shared/monitor/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import { LEVEL } from '../codec/index.ts'
import type { Session } from './session.ts'

/** When things were, by the monotonic clock: a wall clock may jump while a client is connected. */
export interface ConnectionTimes {
  readonly startedMs: number
  /** Of the last packet. */
  readonly lastMs: number
}

const VERSIONS = { [LEVEL.v31]: '3.1', [LEVEL.v311]: '3.1.1', [LEVEL.v5]: '5.0' } as const

/** An MQTT client as `/connz` shows it. The protocol has no round trip that this end could measure. */
export function connectionFacts(
  session: Session,
  channel: Channel,
  user: string,
  times: ConnectionTimes,
  clock: Clock,
): ConnectionFacts {
  const wallOf = (ms: number): number => Math.round(clock.wallMs() - clock.monotonicMs() + ms)
  return {
    ...session.traffic,
    id: session.id,
    kind: 'Client',
    type: 'mqtt',
    ip: channel.remoteAddress,
    port: channel.remotePort,
    startedMs: wallOf(times.startedMs),
    lastActivityMs: wallOf(times.lastMs),
    roundTripMs: undefined,
    pendingBytes: channel.pendingBytes,
    stalls: 0,
    subscriptions: session.subscriptionCount,
    name: '',
    lang: '',
    version: '',
    user,
    account: session.account,
    mqttClient: session.clientId,
    mqtt: {
      version: VERSIONS[session.level],
      sessionExpirySeconds: session.expirySeconds,
      inflight: session.inflight,
      sharedSubscriptions: session.sharedCount,
      subscriptionsOfSession: () => session.subscriptionsOfLog,
    },
  }
}
