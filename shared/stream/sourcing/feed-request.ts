/**
 * What a destination asks of its origin: a consumer that pushes to it from a certain message on, or that
 * a consumer which somebody has made for it goes back to behind what it acknowledged. Source: nats-server
 * 2.15 (setupMirrorConsumer, trySetupSourceConsumer).
 */
import type { StreamSource } from '../config/stream-source.ts'
import { accountHash } from '../consumer/ack-subject.ts'
import { NS_PER_MS } from '../limits.ts'
import type { Place } from './intake.ts'
import { ACK_WAIT_NS, HEARTBEAT_MS, STALL_MS } from './limits.ts'
import { sourceIndex } from './source-index.ts'

export type FeedKind = 'mirror' | 'source'

/** Who asks. */
export interface FeedOwner {
  readonly stream: string
  readonly account: string
  /** '' for none. */
  readonly domain: string
}

export interface FeedRequest {
  readonly subject: string
  readonly payload: string
  readonly deliverSubject: string
}

const WORDS = {
  mirror: { consumer: 'JS_MIRROR', deliver: 'M', metadata: '_nats.mirror' },
  source: { consumer: 'JS_SRC', deliver: 'S', metadata: '_nats.src' },
} as const

/**
 * The same for a stream's feed each time, so that where messages wait for it they wait under this name.
 * @param isOneOfSeveral the stream has more sources of that name
 */
export function feedConsumerName(
  kind: FeedKind,
  source: StreamSource,
  isOneOfSeveral: boolean,
  { stream, account, domain }: FeedOwner,
): string {
  let id = `${stream} ${account}`
  if (domain !== '') id += ` ${domain}`
  if (kind === 'source' && isOneOfSeveral) id += ` ${sourceIndex(source).name}`
  return `${WORDS[kind].consumer}_${accountHash(id)}`
}

/** Where the origin's API is. */
export function originApi({ external }: StreamSource, rest: string): string {
  const prefix = external === undefined || external.api === '' ? '$JS.API' : external.api
  return `${prefix}.${rest}`.replaceAll('..', '.')
}

/**
 * @param token characters that nobody guesses
 * @param isPlain an origin that knows nothing of consumers for sources: then `name` is its alone
 */
export function feedRequest(
  kind: FeedKind,
  source: StreamSource,
  owner: FeedOwner,
  {
    name,
    place,
    token,
    isPlain,
  }: {
    readonly name: string
    readonly place: Place
    readonly token: string
    readonly isPlain: boolean
  },
): FeedRequest {
  const { external, consumer } = source
  if (consumer !== undefined) {
    return {
      subject: originApi(source, `CONSUMER.RESET.${source.name}.${consumer.name ?? ''}`),
      payload: '',
      deliverSubject: consumer.deliver_subject ?? '',
    }
  }
  const deliverPrefix = external === undefined || external.deliver === '' ? '$JS' : external.deliver
  const deliverSubject = `${deliverPrefix}.${WORDS[kind].deliver}.${token}`.replaceAll('..', '.')
  const filters = filtersOf(source)
  const config = {
    name,
    deliver_subject: deliverSubject,
    ...startOf(source, place),
    ack_policy: 'none',
    ack_wait: ACK_WAIT_NS,
    max_deliver: 1,
    ...(filters.length > 1 ? { filter_subjects: filters } : {}),
    ...(filters.length === 1 ? { filter_subject: filters[0] } : {}),
    replay_policy: 'instant',
    flow_control: true,
    idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
    inactive_threshold: STALL_MS * NS_PER_MS,
    direct: true,
    ...(isPlain ? {} : { sourcing: true }),
    metadata: metadataOf(kind, owner),
  }
  const named = filters.length === 1 ? `.${name}.${filters[0]}` : ''
  return {
    subject: originApi(source, `CONSUMER.CREATE.${source.name}${named}`),
    payload: JSON.stringify({ stream_name: source.name, config }),
    deliverSubject,
  }
}

function filtersOf({ filter_subject, subject_transforms = [] }: StreamSource): readonly string[] {
  if (filter_subject !== undefined) return [filter_subject]
  return subject_transforms.map(({ src }) => src || '>')
}

/** Where a source begins is its configuration's word only until it has got anywhere. */
function startOf({ opt_start_seq, opt_start_time }: StreamSource, { seq }: Place) {
  if (seq > 0) return { deliver_policy: 'by_start_sequence', opt_start_seq: seq + 1 }
  if (opt_start_seq !== undefined) return { deliver_policy: 'by_start_sequence', opt_start_seq }
  if (opt_start_time !== undefined) return { deliver_policy: 'by_start_time', opt_start_time }
  return { deliver_policy: 'all' }
}

function metadataOf(kind: FeedKind, { stream, account, domain }: FeedOwner) {
  const prefix = WORDS[kind].metadata
  return {
    [`${prefix}.stream`]: stream,
    [`${prefix}.acc`]: account,
    ...(domain === '' ? {} : { [`${prefix}.domain`]: domain }),
  }
}
