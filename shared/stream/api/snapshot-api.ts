/** STREAM.SNAPSHOT and STREAM.RESTORE: what is checked before a backup goes out or comes in. */
import { isLiteral, isValidSubject } from '../../subject/index.ts'
import { wireStreamConfig } from '../config/stream-config.ts'
import { STREAM_CONFIG_FIELDS } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, isObject } from '../json-fields.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  isEmptyRequest,
  jsonOf,
  streamOf,
} from './api-context.ts'
import { streamState } from './stream-info.ts'

export const SNAPSHOT_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'STREAM.SNAPSHOT': { type: 'stream_snapshot', args: 1, handle: snapshot },
  'STREAM.RESTORE': {
    type: 'stream_restore',
    args: 1,
    zeros: { deliver_subject: '' },
    handle: restore,
  },
}

const SNAPSHOT_FIELDS = {
  deliver_subject: 'string',
  no_consumers: 'bool',
  chunk_size: 'int',
  window_size: 'int',
  jsck: 'bool',
} as const
/** Most of it is only looked at for what it is. */
const STATE_FIELDS = {
  messages: 'uint',
  bytes: 'uint',
  first_seq: 'uint',
  first_ts: 'time',
  last_seq: 'uint',
  last_ts: 'time',
  num_subjects: 'int',
  subjects: 'json',
  num_deleted: 'int',
  deleted: 'json',
  lost: 'json',
  consumer_count: 'int',
} as const
const RESTORE_FIELDS = {
  config: STREAM_CONFIG_FIELDS,
  state: { object: STATE_FIELDS, type: 'StreamState' },
} as const

/** `jsck` changes nothing: whatever is read from the store is checked. */
function snapshot(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  if (isEmptyRequest(request)) throw new JetStreamError(10003)
  const stream = streamOf(context, request)
  const body = jsonOf(request)
  const asked = decodeFields(body, SNAPSHOT_FIELDS, 'JSApiStreamSnapshotRequest')
  const { deliver_subject = '', chunk_size = 0, window_size = 0 } = asked
  if (!isValidSubject(deliver_subject) || !isLiteral(deliver_subject)) {
    throw new JetStreamError(10015)
  }
  context.snapshots.snapshot(
    stream,
    {
      deliverSubject: deliver_subject,
      chunkBytes: chunk_size,
      windowBytes: window_size,
      hasConsumers: asked.no_consumers !== true,
    },
    context.audit.requester(request.message),
  )
  return { config: wireStreamConfig(stream.config), state: streamState(stream) }
}

function restore(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  if (isEmptyRequest(request)) throw new JetStreamError(10003)
  const body = jsonOf(request)
  const fields = decodeFields(body, RESTORE_FIELDS, 'JSApiStreamRestoreRequest')
  const [name = ''] = request.args
  const { config = {} } = fields
  if ((config.name || name) !== name) throw new JetStreamError(10056)
  if (/[\\/]/.test(name)) throw new JetStreamError(10128)
  const client = context.audit.requester(request.message)
  const state = isObject(body) ? body['state'] : undefined
  return { deliver_subject: context.snapshots.restore({ ...config, name }, state, client) }
}
