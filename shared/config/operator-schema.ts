/** Operator mode: who is trusted, and where accounts come from. */
import * as v from 'valibot'
import { block, namedValues, oneOrMore } from './block.ts'
import { claimsOf, publicKeys, token } from './credential-values.ts'
import { tls } from './tls-schema.ts'
import { count, duration, flag, nameList, reading, shown, spelt, text } from './values.ts'

/** A JWT, or what stands in the file of that name: `withReferredFiles` puts it here. */
function operatorJwt() {
  return reading<string>((input) => {
    const jwt = typeof input === 'string' ? bareJwt(input) : ''
    const claims = claimsOf(jwt)
    // The first version of the format has the type beside what it is the type of.
    const type = Object(claims?.['nats']).type ?? claims?.['type']
    const isOperator = type === 'operator'
    // A file that could not be read was reported already.
    if (isOperator || input === '') return { value: jwt }
    return { fault: `must be an operator's JWT or the file that holds it, not ${shown(input)}` }
  })
}

/** nsc writes JWTs between lines that say what they are. */
export function bareJwt(written: string): string {
  const framed = /-----BEGIN [A-Z ]*JWT-----\s*(\S+)\s*-----/.exec(written)
  return framed?.[1] ?? written.trim()
}

/** `MEMORY`, `URL(…)` or a block. */
function shortResolver() {
  return reading<{ readonly type: 'memory' | 'url'; readonly url: string }>((input) => {
    const written = String(input).trim()
    if (/^mem(ory)?$/i.test(written)) return { value: { type: 'memory', url: '' } }
    const url = /^url\(\s*"?([^\s"]*)"?\s*\)$/i.exec(written)?.[1]
    if (url !== undefined && URL.canParse(url)) return { value: { type: 'url', url } }
    return { fault: `must be MEMORY, URL("…") or a block with type and dir, not ${shown(input)}` }
  })
}

const resolver = block(
  {
    short: v.optional(shortResolver()),
    type: v.optional(spelt({ full: 'full', cache: 'cache', mem: 'memory', memory: 'memory' })),
    dir: v.optional(text(), ''),
    allow_delete: v.optional(flag(), false),
    limit: v.optional(count(0, Number.MAX_SAFE_INTEGER), 0),
    interval: v.optional(duration()),
    ttl: v.optional(duration()),
    timeout: v.optional(duration(), '1900ms'),
  },
  { shorthand: 'short', inert: ['hard_delete'] },
)

export const operatorKeys = {
  operator: v.optional(oneOrMore(operatorJwt(), 'must be a JWT, a file or a list of them'), []),
  trusted_keys: v.optional(publicKeys('O'), []),
  resolver: v.optional(resolver),
  resolver_tls: v.optional(tls),
  resolver_preload: v.optional(namedValues(token()), []),
  resolver_pinned_accounts: v.optional(nameList(), []),
  default_sentinel: v.optional(token(), ''),
}

export const OPERATOR_ALIASES = {
  operators: 'operator',
  root: 'operator',
  roots: 'operator',
  root_operator: 'operator',
  root_operators: 'operator',
  trusted: 'trusted_keys',
  account_resolver: 'resolver',
  accounts_resolver: 'resolver',
}

export type ResolverFile = v.InferOutput<typeof resolver>
