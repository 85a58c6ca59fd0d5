/** The two roles' configuration files: what they share, and `buffers`, `fleet` and `region`, which are ours. */
import * as v from 'valibot'
import { block, namedBlocks } from './block.ts'
import { CORE_RULES, core } from './core-schema.ts'
import {
  count,
  duration,
  limit,
  oneOf,
  share,
  size,
  subjects,
  text,
  tokenName,
  word,
} from './values.ts'

const buffers = namedBlocks(
  {
    name: tokenName(),
    subjects: subjects(),
    max_bytes: v.optional(size(), 0),
    max_age: v.optional(duration(), 0),
    max_msgs: v.optional(limit(), 0),
    priority: v.optional(count(1, 9), 5),
    share: v.optional(share(), 0),
    discard: v.optional(oneOf('old', 'new'), 'old'),
    order: v.optional(oneOf('fifo', 'lifo', 'latest'), 'fifo'),
  },
  { inert: ['share'] },
)

const fleetStreams = namedBlocks({
  name: tokenName(),
  subjects: subjects(),
  description: v.optional(text(), ''),
  max_age: v.optional(duration(), 0),
  max_bytes: v.optional(size(), 0),
  max_msgs: v.optional(limit(), 0),
  max_msgs_per_subject: v.optional(limit(), 0),
  max_msg_size: v.optional(size(), 0),
  duplicate_window: v.optional(duration(), '2m'),
  discard: v.optional(oneOf('old', 'new'), 'old'),
})

/** As `accounts` names them; `fleet.streams` are those of the default one. */
const fleetAccounts = namedBlocks({ name: word(), streams: v.optional(fleetStreams, []) })

const fleet = block({
  region: v.optional(text(), ''),
  streams: v.optional(fleetStreams, []),
  accounts: v.optional(fleetAccounts, []),
})

export const hubSchema = block(
  { ...core, fleet: v.optional(fleet, {}) },
  {
    ...CORE_RULES,
    elsewhere: {
      buffers:
        'buffers belong to a leaf: move them to its file, or start this one with "petiole leaf"',
      region: 'belongs into the fleet block: fleet { region: … }',
    },
  },
)

export const leafSchema = block(
  { ...core, region: v.optional(text(), ''), buffers: v.optional(buffers, []) },
  {
    ...CORE_RULES,
    elsewhere: {
      fleet:
        'the fleet belongs to a hub: move it to its file, or start this one with "petiole hub"',
    },
  },
)

export type HubFile = v.InferOutput<typeof hubSchema>
export type LeafFile = v.InferOutput<typeof leafSchema>
