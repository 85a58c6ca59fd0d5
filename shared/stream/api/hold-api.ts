/** What holds a consumer's messages back, or lets them go: CONSUMER.PAUSE and CONSUMER.UNPIN. */
import type { Consumer } from '../consumer/consumer.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, decodeOne } from '../json-fields.ts'
import { durationNs, formatTime } from '../timestamp.ts'
import { type ApiContext, type ApiRequest, optionalJson, streamOf } from './api-context.ts'

/** What CONSUMER.PAUSE says of its answer when it fails. */
export const NO_PAUSE = { paused: false, pause_until: formatTime(0) }

const GROUP_NAME = /^[a-zA-Z0-9/_=-]{1,16}$/

/** Without a time, or with one that is over, it goes on. */
export async function pauseConsumer(context: ApiContext, request: ApiRequest) {
  const fields = decodePause(request)
  const { stream, consumer } = found(context, request)
  const untilMs = fields.pause_until ?? 0
  await stream.consumers.pause(consumer.name, untilMs === 0 ? undefined : formatTime(untilMs))
  const remainingMs = untilMs - context.nowMs()
  return {
    paused: remainingMs > 0,
    pause_until: formatTime(untilMs),
    ...(remainingMs > 0 ? { pause_remaining: durationNs(remainingMs) } : {}),
  }
}

export function decodePause(request: ApiRequest) {
  return decodeFields(optionalJson(request), { pause_until: 'time' }, 'JSApiConsumerPauseRequest')
}

/** Takes the pin from the client that has it: the next one to ask gets it. */
export function unpinConsumer(context: ApiContext, request: ApiRequest) {
  const group = decodeUnpin(request)
  const { consumer } = found(context, request)
  if (!consumer.unpin(group)) throw new JetStreamError(10160)
  return {}
}

/** The group that is meant. Throws 10025 or 10162. */
export function decodeUnpin(request: ApiRequest): string {
  const { payload } = request.message
  const { group = '' } = decodeOne(payload, { group: 'string' }, 'JSApiConsumerUnpinRequest')
  if (group === '') throw new JetStreamError(10025, 'consumer group not specified')
  if (!GROUP_NAME.test(group)) throw new JetStreamError(10162)
  return group
}

function found(context: ApiContext, request: ApiRequest) {
  const stream = streamOf(context, request)
  const consumer: Consumer | undefined = stream.consumers.get(request.args[1] ?? '')
  if (consumer === undefined) throw new JetStreamError(10014)
  return { stream, consumer }
}
