/** `$JS.API.CONSUMER.*` but MSG.NEXT, which answers with messages. */

import { decodeCreateRequest } from '../config/consumer-config.ts'
import type { Consumer } from '../consumer/consumer.ts'
import type { ConsumerCreation } from '../consumer/consumer-set.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { LIST_PAGE, NAMES_PAGE } from '../limits.ts'
import type { Stream } from '../stream.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  isLong,
  jsonOf,
  NO_PAGE,
  pageOf,
  refusePayload,
  settledStreamOf,
  streamOf,
} from './api-context.ts'
import { decodePause, decodeUnpin, NO_PAUSE, pauseConsumer, unpinConsumer } from './hold-api.ts'
import { identify, resetConsumer, sourcingCreation } from './sourcing-api.ts'
import { consumerInfo, listedConsumer } from './stream-info.ts'

const NO_CONSUMERS = { ...NO_PAGE, consumers: [] }

export const CONSUMER_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'CONSUMER.CREATE': {
    type: 'consumer_create',
    args: 1,
    isOpen: true,
    judge: decodeRequest,
    handle: createConsumer,
  },
  'CONSUMER.DURABLE.CREATE': {
    type: 'consumer_create',
    args: 2,
    judge: decodeRequest,
    handle: createDurable,
  },
  'CONSUMER.INFO': { type: 'consumer_info', args: 2, judge: refusePayload, handle: showConsumer },
  'CONSUMER.NAMES': { type: 'consumer_names', args: 1, zeros: NO_CONSUMERS, handle: listNames },
  'CONSUMER.LIST': { type: 'consumer_list', args: 1, zeros: NO_CONSUMERS, handle: listConsumers },
  // A consumer listens for this itself, in nats-server: without one nobody does.
  'CONSUMER.RESET': {
    type: 'consumer_reset',
    args: 2,
    zeros: { reset_seq: 0 },
    isServed: ({ stream }, [name = '', consumer = '']) =>
      stream(name)?.consumers.get(consumer) !== undefined,
    handle: resetConsumer,
  },
  'CONSUMER.PAUSE': {
    type: 'consumer_pause',
    args: 2,
    zeros: NO_PAUSE,
    judge: decodePause,
    handle: pauseConsumer,
  },
  'CONSUMER.UNPIN': {
    type: 'consumer_unpin',
    args: 2,
    judge: decodeUnpin,
    handle: unpinConsumer,
  },
  'CONSUMER.DELETE': { type: 'consumer_delete', args: 2, handle: deleteConsumer },
}

/** CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]: with a name since 2.9, ephemeral without. */
async function createConsumer(context: ApiContext, request: ApiRequest) {
  const [, nameInSubject, ...filterTokens] = request.args
  const { config, ...asked } = decodeCreate(request)
  const name = nameInSubject ?? config.name ?? ''
  refusePathSeparators(name)
  if (nameInSubject === undefined) {
    if (config.durable_name) throw new JetStreamError(10020)
  } else if (config.durable_name && config.durable_name !== name) {
    throw new JetStreamError(10017)
  }
  const filter = filterTokens.join('.')
  if (filter !== '') {
    if ((config.filter_subjects ?? []).length > 0) throw new JetStreamError(10137)
    if (config.filter_subject !== filter) throw new JetStreamError(10131)
  }
  return create(context, request, { ...asked, config: { ...config, name } })
}

/** CONSUMER.DURABLE.CREATE.<stream>.<consumer>: the form before 2.9. */
async function createDurable(context: ApiContext, request: ApiRequest) {
  const { config, ...asked } = decodeCreate(request)
  const [, name = ''] = request.args
  refusePathSeparators(name)
  if (!config.durable_name) throw new JetStreamError(10018)
  if (config.durable_name !== name) throw new JetStreamError(10017)
  return create(context, request, { ...asked, config: { ...config, name } })
}

async function create(context: ApiContext, request: ApiRequest, asked: ConsumerCreation) {
  if ((asked.config.num_replicas ?? 0) > 1) throw new JetStreamError(10074)
  if (isLong(request)) await context.turn()
  const stream = await settledStreamOf(context, request)
  const creation = sourcingCreation(asked, stream, context.newName)
  const { name, direct, sourcing } = creation.config
  if (direct || sourcing) identify(request, stream)
  const consumer = await stream.consumers.create(creation, name || context.newName())
  return consumerInfo(consumer, context.level)
}

function refusePathSeparators(name: string): void {
  if (/[\\/]/.test(name)) throw new JetStreamError(10127)
}

async function showConsumer(context: ApiContext, request: ApiRequest) {
  refusePayload(request)
  const stream = await settledStreamOf(context, request)
  const consumer = stream.consumers.get(request.args[1] ?? '')
  if (consumer === undefined) throw new JetStreamError(10014)
  return consumerInfo(consumer, context.level)
}

function listNames(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const { offset } = pageOf(request, 'JSApiConsumersRequest')
  const all = publicOf(streamOf(context, request))
  const consumers = all.slice(offset, offset + NAMES_PAGE).map(({ name }) => name)
  return { total: all.length, offset: Math.min(offset, all.length), limit: NAMES_PAGE, consumers }
}

async function listConsumers(context: ApiContext, request: ApiRequest) {
  const { offset } = pageOf(request, 'JSApiConsumersRequest')
  const all = publicOf(await settledStreamOf(context, request))
  const consumers = all
    .slice(offset, offset + LIST_PAGE)
    .map((consumer) => listedConsumer(consumer, context))
  return { total: all.length, offset: Math.min(offset, all.length), limit: LIST_PAGE, consumers }
}

/** Those that sources elsewhere made for themselves are theirs alone. */
function publicOf({ consumers }: Stream): readonly Consumer[] {
  return consumers.list().filter(({ config }) => !config.direct)
}

async function deleteConsumer(context: ApiContext, request: ApiRequest) {
  refusePayload(request)
  const stream = streamOf(context, request)
  const name = request.args[1] ?? ''
  if (!(await stream.consumers.remove(name))) throw new JetStreamError(10014)
  return { success: true }
}

function decodeRequest(request: ApiRequest) {
  return decodeCreateRequest(jsonOf(request))
}

function decodeCreate(request: ApiRequest): ConsumerCreation {
  const fields = decodeRequest(request)
  if ((fields.stream_name ?? '') !== request.args[0]) throw new JetStreamError(10056)
  const { config = {}, action = '', pedantic = false } = fields
  return { config, action, isPedantic: pedantic }
}
