import { topicToSubject } from '../topic-map.ts'
import type { Loads, Rated } from './load-averages.ts'

/**
 * What the topics under `$SYS/broker` tell, with the names that mosquitto 2.0 gives them: dashboards ask for
 * those. Figures are of the clients of one account; in the system account, of all.
 */
export interface BrokerFigures extends Rated {
  readonly clientsConnected: number
  /** Sessions whose client is away. */
  readonly clientsDisconnected: number
  readonly clientsMaximum: number
  /** Sessions that ended because their client stayed away too long. */
  readonly clientsExpired: number
  readonly subscriptions: number
  readonly sharedSubscriptions: number
  readonly retained: number
  /** Kept for sessions and retained. */
  readonly storedMessages: number
  readonly storedBytes: number
  readonly inflight: number
}

/** Of the process: told in the system account, and in the one that all belong to who name none. */
export interface ProcessFigures {
  readonly uptimeMs: number
  readonly heapBytes: number
  readonly heapBytesMax: number
}

/** A topic with its value, ready to be delivered. */
export interface SysTopic {
  readonly subject: string
  readonly subjectBytes: Uint8Array
}

/** All of them begin with this, as subjects. */
export const SYS_PREFIX = '$SYS.broker.'
const TOPIC_PREFIX = '$SYS/broker/'

const FIGURES: readonly (readonly [
  name: string,
  of: (figures: BrokerFigures) => number | undefined,
])[] = [
  ['clients/connected', (it) => it.clientsConnected],
  ['clients/active', (it) => it.clientsConnected],
  ['clients/disconnected', (it) => it.clientsDisconnected],
  ['clients/inactive', (it) => it.clientsDisconnected],
  ['clients/total', (it) => it.clientsConnected + it.clientsDisconnected],
  ['clients/maximum', (it) => it.clientsMaximum],
  ['clients/expired', (it) => it.clientsExpired],
  ['messages/received', (it) => it.receivedMessages],
  ['messages/sent', (it) => it.sentMessages],
  ['messages/stored', (it) => it.storedMessages],
  ['messages/inflight', (it) => it.inflight],
  ['publish/messages/received', (it) => it.receivedMessages],
  ['publish/messages/sent', (it) => it.sentMessages],
  ['publish/messages/dropped', (it) => it.dropped],
  ['publish/bytes/received', (it) => it.receivedBytes],
  ['publish/bytes/sent', (it) => it.sentBytes],
  ['bytes/received', (it) => it.receivedBytes],
  ['bytes/sent', (it) => it.sentBytes],
  ['store/messages/count', (it) => it.storedMessages],
  ['store/messages/bytes', (it) => it.storedBytes],
  ['subscriptions/count', (it) => it.subscriptions],
  ['shared_subscriptions/count', (it) => it.sharedSubscriptions],
  ['retained messages/count', (it) => it.retained],
]

const LOADS: readonly (readonly [name: string, of: keyof Rated])[] = [
  ['connections', 'connections'],
  ['sockets', 'connections'],
  ['messages/received', 'receivedMessages'],
  ['messages/sent', 'sentMessages'],
  ['publish/received', 'receivedMessages'],
  ['publish/sent', 'sentMessages'],
  ['publish/dropped', 'dropped'],
  ['bytes/received', 'receivedBytes'],
  ['bytes/sent', 'sentBytes'],
]

/** Everything there is to tell, as text. */
export function* valuesOf(
  figures: BrokerFigures,
  loads: Loads,
  version: string,
  own: ProcessFigures | undefined,
): Generator<readonly [topic: SysTopic, value: string]> {
  yield [topic('version'), `petiole version ${version}`]
  if (own !== undefined) {
    yield [topic('uptime'), `${Math.floor(own.uptimeMs / 1000)} seconds`]
    yield [topic('heap/current'), String(own.heapBytes)]
    yield [topic('heap/maximum'), String(own.heapBytesMax)]
  }
  for (const [name, of] of FIGURES) {
    const value = of(figures)
    if (value !== undefined) yield [topic(name), String(value)]
  }
  for (const [name, of] of LOADS) {
    if (figures[of] === undefined) continue
    for (const [minutes, rate] of loads.ratesOf(of)) {
      yield [topic(`load/${name}/${minutes}min`), rate.toFixed(2)]
    }
  }
}

/** Made once: there are no more of them than in the tables above. */
const topics = new Map<string, SysTopic>()

function topic(name: string): SysTopic {
  const known = topics.get(name)
  if (known !== undefined) return known
  const subjectBytes = topicToSubject(Buffer.from(TOPIC_PREFIX + name)) ?? Buffer.alloc(0)
  const made = { subject: subjectBytes.toString(), subjectBytes }
  topics.set(name, made)
  return made
}
