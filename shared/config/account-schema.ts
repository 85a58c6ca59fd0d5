/** `accounts` and `mappings`: subject spaces of their own, and what they let each other have. */
import * as v from 'valibot'
import { accountUsers } from './authorization-schema.ts'
import { block, namedBlocks, namedValues, oneOrMore } from './block.ts'
import { publicKey } from './credential-values.ts'
import { permissions } from './permission-schema.ts'
import {
  count,
  duration,
  flag,
  nameList,
  percent,
  reading,
  shown,
  size,
  spelt,
  switched,
  text,
  word,
} from './values.ts'

/** `"a.b"`, `{ destination, weight, cluster }`, or a list of either. */
const destination = block(
  {
    destination: text(),
    weight: v.optional(percent(0)),
    cluster: v.optional(text(), ''),
  },
  { aliases: { dest: 'destination' }, shorthand: 'destination' },
)

export const mappings = namedValues(oneOrMore(destination, 'must be a subject or a list'))

const exported = block(
  {
    stream: v.optional(text()),
    service: v.optional(text()),
    accounts: v.optional(nameList(), []),
    account_token_position: v.optional(count(0, 1_000), 0),
    response_type: v.optional(
      spelt({
        single: 'single',
        singleton: 'single',
        stream: 'stream',
        chunk: 'chunked',
        chunked: 'chunked',
      }),
    ),
    response_threshold: v.optional(duration()),
    latency: v.optional(
      block({ sampling: v.optional(sampling(), 100), subject: text() }, { shorthand: 'subject' }),
    ),
    allow_trace: v.optional(flag()),
  },
  {
    aliases: {
      response: 'response_type',
      threshold: 'response_threshold',
      response_max_time: 'response_threshold',
      response_time: 'response_threshold',
    },
  },
)

const source = block({ account: word(), subject: text() })

const imported = block({
  stream: v.optional(source),
  service: v.optional(source),
  to: v.optional(text()),
  prefix: v.optional(text()),
  share: v.optional(flag(), false),
  allow_trace: v.optional(flag()),
})

/** -1: no limit. */
function accountLimit() {
  return reading<number>((input) => {
    if (typeof input === 'number' && Number.isInteger(input) && input >= -1) return { value: input }
    return { fault: `must be a whole number, -1 for no limit, not ${shown(input)}` }
  })
}

const limits = block(
  {
    max_connections: v.optional(accountLimit(), -1),
    max_subscriptions: v.optional(accountLimit(), -1),
    max_payload: v.optional(accountLimit(), -1),
    max_leafnodes: v.optional(accountLimit(), -1),
  },
  {
    aliases: {
      max_conn: 'max_connections',
      max_subs: 'max_subscriptions',
      max_pay: 'max_payload',
      max_leafs: 'max_leafnodes',
    },
  },
)

const ANY_COUNT = [-1, Number.MAX_SAFE_INTEGER] as const

/** `enabled`, or limits of what the account's streams may take; -1: no limit. */
const accountJetStream = block(
  {
    enabled: v.optional(switched(), true),
    max_memory: v.optional(size(-1), -1),
    max_store: v.optional(size(-1), -1),
    max_streams: v.optional(count(...ANY_COUNT), -1),
    max_consumers: v.optional(count(...ANY_COUNT), -1),
    max_bytes_required: v.optional(flag(), false),
    mem_max_stream_bytes: v.optional(size(-1), -1),
    disk_max_stream_bytes: v.optional(size(-1), -1),
    max_ack_pending: v.optional(count(...ANY_COUNT), -1),
  },
  {
    aliases: {
      max_mem: 'max_memory',
      mem: 'max_memory',
      memory: 'max_memory',
      max_file: 'max_store',
      max_disk: 'max_store',
      store: 'max_store',
      disk: 'max_store',
      streams: 'max_streams',
      consumers: 'max_consumers',
      max_stream_bytes: 'max_bytes_required',
      max_bytes: 'max_bytes_required',
      memory_max_stream_bytes: 'mem_max_stream_bytes',
      store_max_stream_bytes: 'disk_max_stream_bytes',
    },
    shorthand: 'enabled',
    inert: ['cluster_traffic'],
  },
)

export const accounts = namedBlocks(
  {
    name: word(),
    nkey: v.optional(publicKey('A'), ''),
    users: v.optional(accountUsers(), []),
    exports: v.optional(v.array(exported, 'must be a list of exports'), []),
    imports: v.optional(v.array(imported, 'must be a list of imports'), []),
    mappings: v.optional(mappings, []),
    default_permissions: v.optional(permissions),
    limits: v.optional(limits, {}),
    jetstream: v.optional(accountJetStream),
    msg_trace: v.optional(
      block({ dest: v.optional(text()), sampling: v.optional(percent(1)) }, { shorthand: 'dest' }),
    ),
  },
  { aliases: { maps: 'mappings', trace_dest: 'msg_trace' } },
)

export type AccountFile = v.InferOutput<typeof accounts>[number]
export type ExportFile = v.InferOutput<typeof exported>
export type ImportFile = v.InferOutput<typeof imported>
export type MappingFile = v.InferOutput<typeof mappings>[number]

/** Percent of the requests, or `headers`: those that ask for it. */
function sampling() {
  return reading<number>((input) => {
    if (typeof input === 'string' && input.trim().toLowerCase() === 'headers') return { value: 0 }
    const number = typeof input === 'string' ? Number(input.replace(/%$/, '')) : input
    if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 100) {
      return { value: number }
    }
    return { fault: `must be from 1 to 100 percent, or headers, not ${shown(input)}` }
  })
}
