import type * as v from 'valibot'
import { entriesOf, isNamedValues, itemOf, rulesOf, unwrapped } from '../../shared/config/block.ts'
import { hubSchema } from '../../shared/config/schema.ts'

/** How an option of nats-server fares here. */
export type OptionState = 'works' | 'no effect' | 'refused' | 'unknown'

/** The schema of a block, `accounts.exports`; lists and named blocks are passed through. */
export function blockAt(path: string): v.GenericSchema {
  const keys = path === '' ? [] : path.split('.')
  return keys.reduce<v.GenericSchema>((schema, key) => {
    const inner = entriesOf(schema)?.[key]
    if (inner === undefined) throw new Error(`no block ${path}: ${key} is missing`)
    return blockOf(inner)
  }, blockOf(hubSchema))
}

export function stateOf(schema: v.GenericSchema, name: string): OptionState {
  const rules = rulesOf(schema)
  const key = rules.aliases[name] ?? name
  if (Object.hasOwn(rules.unsupported, key)) return 'refused'
  if (rules.inert.includes(key)) return 'no effect'
  return Object.hasOwn(entriesOf(schema) ?? {}, key) ? 'works' : 'unknown'
}

/** Why an option is refused; '' when it is not. */
export function reasonFor(schema: v.GenericSchema, name: string): string {
  return rulesOf(schema).unsupported[name] ?? ''
}

function blockOf(outer: v.GenericSchema): v.GenericSchema {
  const schema = unwrapped(outer)
  const item = itemOf(schema)
  if (item === undefined) return schema
  const value = isNamedValues(schema) ? entriesOf(item)?.['value'] : item
  return value === undefined ? schema : blockOf(value)
}
