/** `$JS.API.CONSUMER.*` but MSG.NEXT, which answers with messages. */

import { type ConsumerRequest, decodeConsumerRequest } from '../config/consumer-config.ts'
import type { CreateAction } from '../consumer/consumer-set.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, parseJson } from '../json-fields.ts'
import { LIST_PAGE, NAMES_PAGE } from '../limits.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  pageOf,
  refusePayload,
  streamOf,
} from './api-context.ts'
import { consumerInfo } from './stream-info.ts'

export const CONSUMER_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'CONSUMER.CREATE': { type: 'consumer_create', args: 1, isOpen: true, handle: createConsumer },
  'CONSUMER.DURABLE.CREATE': { type: 'consumer_create', args: 2, handle: createDurable },
  'CONSUMER.INFO': { type: 'consumer_info', args: 2, handle: showConsumer },
  'CONSUMER.NAMES': { type: 'consumer_names', args: 1, handle: listNames },
  'CONSUMER.LIST': { type: 'consumer_list', args: 1, handle: listConsumers },
  'CONSUMER.DELETE': { type: 'consumer_delete', args: 2, handle: deleteConsumer },
}

const CREATE_FIELDS = {
  stream_name: 'string',
  config: 'json',
  action: 'string',
  pedantic: 'bool',
} as const

interface CreateRequest {
  readonly config: ConsumerRequest
  readonly action: CreateAction
}

/** CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]: with a name since 2.9, ephemeral without. */
async function createConsumer(context: ApiContext, request: ApiRequest) {
  const [, name, ...filterTokens] = request.args
  const { config, action } = decodeCreate(request)
  if (name === undefined) {
    if ((config.durable_name ?? '') !== '') throw new JetStreamError(10020)
    return create(context, request, config, config.name || context.newName(), action)
  }
  const filter = filterTokens.join('.')
  if (filter !== '') {
    if ((config.filter_subjects ?? []).length > 0) throw new JetStreamError(10137)
    if (config.filter_subject !== filter) throw new JetStreamError(10131)
  }
  const given = config.durable_name || config.name || ''
  if (given === '') throw new JetStreamError(config.durable_name === undefined ? 10017 : 10018)
  if (given !== name) throw new JetStreamError(10017)
  return create(context, request, config, name, action)
}

/** CONSUMER.DURABLE.CREATE.<stream>.<consumer>: the form before 2.9. */
async function createDurable(context: ApiContext, request: ApiRequest) {
  const { config, action } = decodeCreate(request)
  const durable = config.durable_name ?? ''
  if (durable === '') throw new JetStreamError(10018)
  if (durable !== request.args[1]) throw new JetStreamError(10017)
  return create(context, request, config, durable, action)
}

async function create(
  context: ApiContext,
  request: ApiRequest,
  config: ConsumerRequest,
  name: string,
  action: CreateAction,
) {
  const stream = streamOf(context, request)
  const consumer = await stream.consumers.create(config, name, action)
  return consumerInfo(consumer, context.level)
}

function showConsumer(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  refusePayload(request)
  const consumer = streamOf(context, request).consumers.get(request.args[1] ?? '')
  if (consumer === undefined) throw new JetStreamError(10014)
  return consumerInfo(consumer, context.level)
}

function listNames(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const all = streamOf(context, request).consumers.list()
  const { offset } = pageOf(request)
  const consumers = all.slice(offset, offset + NAMES_PAGE).map(({ name }) => name)
  return { total: all.length, offset: Math.min(offset, all.length), limit: NAMES_PAGE, consumers }
}

function listConsumers(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const all = streamOf(context, request).consumers.list()
  const { offset } = pageOf(request)
  const consumers = all
    .slice(offset, offset + LIST_PAGE)
    .map((consumer) => consumerInfo(consumer, context.level))
  return { total: all.length, offset: Math.min(offset, all.length), limit: LIST_PAGE, consumers }
}

async function deleteConsumer(context: ApiContext, request: ApiRequest) {
  refusePayload(request)
  const stream = streamOf(context, request)
  const name = request.args[1] ?? ''
  if (!(await stream.consumers.remove(name))) throw new JetStreamError(10014)
  context.advise(`CONSUMER.DELETED.${stream.name}.${name}`, 'consumer_action', {
    stream: stream.name,
    consumer: name,
    action: 'delete',
  })
  return { success: true }
}

function decodeCreate({ args, message }: ApiRequest): CreateRequest {
  const fields = decodeFields(parseJson(message.payload), CREATE_FIELDS, 'CreateConsumerRequest')
  if ((fields.stream_name ?? '') !== args[0]) throw new JetStreamError(10056)
  if (fields.config === undefined) throw new JetStreamError(10078)
  const action = fields.action ?? ''
  if (action !== '' && action !== 'create' && action !== 'update') {
    throw new JetStreamError(10025, `unknown consumer action ${JSON.stringify(action)}`)
  }
  return { config: decodeConsumerRequest(fields.config), action }
}
