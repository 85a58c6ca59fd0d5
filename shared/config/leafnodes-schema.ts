/** `leafnodes`: links that come in, and hubs that are dialled. */
import * as v from 'valibot'
import { leafAuthorization } from './authorization-schema.ts'
import { block } from './block.ts'
import { userSeed } from './credential-values.ts'
import { LISTEN_ALIASES, listener } from './listener-schema.ts'
import { deniedSubjects } from './permission-schema.ts'
import { readRemoteUrl } from './remote-url.ts'
import { LEAFNODES_OPTIONS, REMOTE_OPTIONS } from './server-options.ts'
import { tls } from './tls-schema.ts'
import { duration, flag, text, urlList, word } from './values.ts'

const remote = block(
  {
    url: v.optional(urlList(readRemoteUrl)),
    account: v.optional(word()),
    no_randomize: v.optional(flag(), false),
    disabled: v.optional(flag(), false),
    tls: v.optional(tls),
    credentials: v.optional(text(), ''),
    nkey: v.optional(userSeed(), ''),
    hub: v.optional(flag(), false),
    deny_imports: v.optional(deniedSubjects(), []),
    deny_exports: v.optional(deniedSubjects(), []),
    isolate_leafnode_interest: v.optional(flag(), false),
  },
  {
    aliases: {
      urls: 'url',
      local: 'account',
      dont_randomize: 'no_randomize',
      creds: 'credentials',
      seed: 'nkey',
      deny_import: 'deny_imports',
      deny_export: 'deny_exports',
      isolate: 'isolate_leafnode_interest',
    },
    ...REMOTE_OPTIONS,
  },
)

export const leafnodes = block(
  {
    ...listener,
    advertise: v.optional(text(), ''),
    authorization: v.optional(leafAuthorization),
    tls: v.optional(tls),
    remotes: v.optional(v.array(remote, 'must be a list of remotes'), []),
    reconnect: v.optional(duration(100), '1s'),
    dial_timeout: v.optional(duration(100), '2s'),
  },
  {
    aliases: {
      ...LISTEN_ALIASES,
      leafnode_advertise: 'advertise',
      reconnect_delay: 'reconnect',
      reconnect_interval: 'reconnect',
    },
    ...LEAFNODES_OPTIONS,
  },
)

export type RemoteFile = v.InferOutput<typeof remote>
export type LeafNodesFile = v.InferOutput<typeof leafnodes>
