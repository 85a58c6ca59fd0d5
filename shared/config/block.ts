import * as v from 'valibot'

/** What is known of a block's keys beside those that its schema reads. */
export interface BlockRules {
  /** Other spellings that nats-server knows: spelling to key. */
  readonly aliases: Readonly<Record<string, string>>
  /**
   * Options of nats-server that are refused, each with its reason (it follows "not supported, because"):
   * without them the server would be open where it should not be, or would behave differently. Turned
   * off (`false`, 0, '') they are fine.
   */
  readonly unsupported: Readonly<Record<string, string>>
  /** Options of nats-server that may be left out of account without harm: a warning. */
  readonly inert: readonly string[]
  /** Keys that belong elsewhere, with where that is. */
  readonly elsewhere: Readonly<Record<string, string>>
  /** The key that is meant when the block is given as a single value; '' for none. */
  readonly shorthand: string
  /** A list stands for the shorthand's key, too. */
  readonly isShortForList: boolean
  /** `name` is the key that the block stands under, and no key of its own. */
  readonly isNamed: boolean
}

const NO_RULES: BlockRules = {
  aliases: {},
  unsupported: {},
  inert: [],
  elsewhere: {},
  shorthand: '',
  isShortForList: false,
  isNamed: false,
}

const rules = new WeakMap<v.GenericSchema, BlockRules>()
const named = new WeakSet<v.GenericSchema>()
const values = new WeakSet<v.GenericSchema>()
const ofOne = new WeakSet<v.GenericSchema>()

/** A block with fixed keys. */
export function block<const T extends v.ObjectEntries>(
  entries: T,
  blockRules: Partial<BlockRules> = {},
) {
  const schema = v.strictObject(entries, blockFault)
  rules.set(schema, { ...NO_RULES, ...blockRules })
  return schema
}

/** A block whose keys are names: read as a list of blocks with a `name`, in the order of the file. */
export function namedBlocks<const T extends v.ObjectEntries>(
  entries: T,
  blockRules: Partial<BlockRules> = {},
) {
  const schema = v.array(
    block(entries, { ...blockRules, isNamed: true }),
    'must be a block of named blocks',
  )
  named.add(schema)
  return schema
}

/** A block whose keys are names, each with one value: read as a list of `{ name, value }`. */
export function namedValues<const T extends v.GenericSchema>(value: T) {
  const schema = v.array(v.strictObject({ name: v.string(), value }), 'must be a block { name: … }')
  values.add(schema)
  return schema
}

/** A list, for which a single value may stand. */
export function oneOrMore<const T extends v.GenericSchema>(item: T, message: string) {
  const schema = v.array(item, message)
  ofOne.add(schema)
  return schema
}

export function isNamedValues(schema: v.GenericSchema): boolean {
  return values.has(schema)
}

export function isOneOrMore(schema: v.GenericSchema): boolean {
  return ofOne.has(schema)
}

export function rulesOf(schema: v.GenericSchema): BlockRules {
  return rules.get(schema) ?? NO_RULES
}

export function isNamedBlocks(schema: v.GenericSchema): boolean {
  return named.has(schema)
}

/** The schema inside `optional`. */
export function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  return 'wrapped' in schema ? unwrapped(schema.wrapped as v.GenericSchema) : schema
}

/** The schemas of a block's keys; undefined when the schema is of no block. */
export function entriesOf(
  schema: v.GenericSchema,
): Readonly<Record<string, v.GenericSchema>> | undefined {
  if (!('entries' in schema)) return undefined
  return schema.entries as Readonly<Record<string, v.GenericSchema>>
}

export function itemOf(schema: v.GenericSchema): v.GenericSchema | undefined {
  return 'item' in schema ? (schema.item as v.GenericSchema) : undefined
}

function blockFault(issue: { readonly expected: string | null }): string {
  return issue.expected === 'Object' ? 'must be a block { … }' : 'is missing'
}
