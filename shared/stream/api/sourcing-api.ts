/**
 * What streams elsewhere ask for that mirror or source one of ours: the kinds of consumers that only
 * they make, and CONSUMER.RESET. Source: nats-server 2.15 (jetstream_api.go).
 */
import { accountHash } from '../consumer/ack-subject.ts'
import type { Consumer } from '../consumer/consumer.ts'
import type { ConsumerCreation } from '../consumer/consumer-set.ts'
import { headerValue } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeOne } from '../json-fields.ts'
import type { Stream } from '../stream.ts'
import { formatTime, parseTime } from '../timestamp.ts'
import { type ApiContext, type ApiRequest, streamOf } from './api-context.ts'
import { consumerInfo } from './stream-info.ts'

const IDENTITY = 'Nats-Stream-Identity'

/**
 * The creation as it is carried out. A source asks with a name that stays the same: where messages stay
 * until they are acknowledged that becomes a durable that keeps its place; everywhere else each time
 * makes another, and the one before goes by itself.
 */
export function sourcingCreation(
  asked: ConsumerCreation,
  stream: Stream,
  newName: () => string,
): ConsumerCreation {
  const { config } = asked
  const { direct, sourcing, name = '' } = config
  if (direct && sourcing && name !== '') {
    if (stream.config.retention === 'limits') {
      return { ...asked, config: { ...config, name: `${name}-${newName()}` } }
    }
    return withPlaceOf(stream.consumers.get(name), {
      ...asked,
      config: {
        ...config,
        direct: false,
        durable_name: name,
        ack_policy: 'flow_control',
        ack_wait: 0,
        max_deliver: 0,
        inactive_threshold: 0,
      },
    })
  }
  const isDurable = sourcing && (config.durable_name ?? '') !== ''
  return isDurable ? withPlaceOf(stream.consumers.get(name), asked) : asked
}

/** A durable that is there goes on from where it is: where it would start does not matter. */
function withPlaceOf(existing: Consumer | undefined, asked: ConsumerCreation): ConsumerCreation {
  if (existing === undefined) return asked
  const { opt_start_seq: _, opt_start_time: __, ...config } = asked.config
  const { deliver_policy, opt_start_seq, opt_start_time } = existing.config
  return {
    ...asked,
    config: {
      ...config,
      deliver_policy,
      ...(opt_start_seq === undefined ? {} : { opt_start_seq }),
      ...(opt_start_time === undefined ? {} : { opt_start_time: parseTime(opt_start_time) ?? 0 }),
    },
  }
}

/**
 * Which making of the stream a source reads from: it knows by that when a stream of the name was made
 * anew. Throws 10225 when the request expects another one.
 */
export function identify(request: ApiRequest, stream: Stream): void {
  const identity = identityOf(stream)
  const expected = headerValue(request.message.headers, IDENTITY) ?? ''
  if (expected !== '' && expected !== identity) throw new JetStreamError(10225, identity)
  request.headers.push([IDENTITY, identity])
}

/** CONSUMER.RESET.<stream>.<consumer>: `{seq}`, or empty for behind the ack floor. */
export async function resetConsumer(context: ApiContext, request: ApiRequest) {
  const stream = streamOf(context, request)
  const consumer = stream.consumers.get(request.args[1] ?? '')
  if (consumer === undefined) throw new JetStreamError(10014)
  const { payload, headers } = request.message
  if (headerValue(headers, IDENTITY) !== undefined) {
    request.headers.push([IDENTITY, identityOf(stream)])
  }
  const { seq = 0 } =
    payload.length === 0 ? {} : decodeOne(payload, { seq: 'uint' }, 'JSApiConsumerResetRequest')
  if (seq > 0) await checkReset(consumer, stream, seq)
  const from = await stream.consumers.reset(consumer, seq)
  // It was bounded where it lies so far ahead that no message ever comes.
  return { ...consumerInfo(consumer, context.level), reset_seq: Math.max(from, seq) }
}

async function checkReset({ config }: Consumer, stream: Stream, seq: number): Promise<void> {
  const refuse = (problem: string): never => {
    throw new JetStreamError(10204, problem)
  }
  switch (config.deliver_policy) {
    case 'all':
      return
    case 'by_start_sequence':
      if (seq < (config.opt_start_seq ?? 0)) refuse('below start seq')
      return
    case 'by_start_time': {
      const timeMs = parseTime(config.opt_start_time ?? '') ?? 0
      if (seq < (await stream.store.seqAtTime(timeMs))) refuse('below start time')
      return
    }
    default:
      refuse('not allowed')
  }
}

function identityOf({ store }: Stream): string {
  return accountHash(formatTime(store.createdMs))
}
