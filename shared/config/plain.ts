/**
 * From the tree to the plain value that a schema checks. On the way keys get their one spelling (they
 * are case-insensitive and have aliases, as in nats-server), and every key that the schema does not know
 * is reported and left out, so that one pass finds all that is wrong. The places of all that is passed on are
 * remembered under the path by which the schema will name it.
 */
import type * as v from 'valibot'
import {
  type BlockRules,
  entriesOf,
  isNamedBlocks,
  isNamedValues,
  isOneOrMore,
  itemOf,
  rulesOf,
  unwrapped,
} from './block.ts'
import type { Position, Problem } from './problem.ts'
import { nearest } from './suggestion.ts'
import type { BlockNode, ConfigEntry, ConfigNode, ListNode } from './tree.ts'
import { isDuration } from './values.ts'

export interface Place {
  readonly position: Position | undefined
  /** As the reader of the file knows it: `buffers.alarms.subjects`. */
  readonly path: string
}

/** Which other key the mistaken one was read as: `NAME` is how the name of a named block is kept. */
const NAME = 'name'

export class PlainReader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #places = new Map<string, Place>()

  read(tree: BlockNode, schema: v.GenericSchema): unknown {
    return this.#value(tree, schema, [], { position: tree.position, path: '' })
  }

  /** Where the value at a schema's path was written, or else the block that it is missing from. */
  placeOf(keys: readonly (string | number)[]): Place {
    for (let length = keys.length; length > 0; length--) {
      const place = this.#places.get(keyOf(keys.slice(0, length)))
      if (place === undefined) continue
      const rest = keys.slice(length).join('.')
      return rest === '' ? place : { ...place, path: `${place.path}.${rest}` }
    }
    return { position: undefined, path: keys.join('.') }
  }

  #value(
    node: ConfigNode,
    outer: v.GenericSchema,
    keys: readonly (string | number)[],
    place: Place,
  ): unknown {
    this.#places.set(keyOf(keys), place)
    const schema = unwrapped(outer)
    const item = itemOf(schema)
    if (item !== undefined) return this.#items(node, schema, item, keys, place)
    const entries = entriesOf(schema)
    if (entries === undefined) {
      return node.kind === 'integer' && isDuration(schema) ? node.text : bare(node)
    }
    if (node.kind === 'block') return this.#block(node, schema, keys, place)
    const { shorthand, isShortForList } = rulesOf(schema)
    const short = entries[shorthand]
    if (short === undefined || (node.kind === 'list' && !isShortForList)) return bare(node)
    return { [shorthand]: this.#value(node, short, [...keys, shorthand], place) }
  }

  #items(
    node: ConfigNode,
    schema: v.GenericSchema,
    item: v.GenericSchema,
    keys: readonly (string | number)[],
    place: Place,
  ): unknown {
    if (isNamedValues(schema)) {
      return node.kind === 'block' ? this.#namedValues(node, item, keys, place) : bare(node)
    }
    if (isNamedBlocks(schema)) {
      if (node.kind === 'block') return this.#named(node, item, keys, place)
      return node.kind === 'list' ? this.#names(node, keys, place) : bare(node)
    }
    if (node.kind === 'list') {
      return node.items.map((inner, i) => {
        const path = `${place.path}[${i}]`
        return this.#value(inner, item, [...keys, i], { position: inner.position, path })
      })
    }
    return isOneOrMore(schema) ? [this.#value(node, item, [...keys, 0], place)] : bare(node)
  }

  #namedValues(
    node: BlockNode,
    item: v.GenericSchema,
    keys: readonly (string | number)[],
    place: Place,
  ): unknown {
    const schema = entriesOf(item)?.['value']
    return node.entries
      .filter((entry) => !entry.isVariable)
      .map((entry, i) => {
        const at = { position: entry.position, path: joined(place.path, entry.key) }
        for (const inner of [[], [NAME]]) this.#places.set(keyOf([...keys, i, ...inner]), at)
        const value =
          schema === undefined
            ? bare(entry.value)
            : this.#value(entry.value, schema, [...keys, i, 'value'], at)
        return { [NAME]: entry.key, value }
      })
  }

  /** `accounts: [A, B]`: names of blocks that say nothing more. */
  #names(node: ListNode, keys: readonly (string | number)[], place: Place): unknown {
    return node.items.map((inner, i) => {
      const at = { position: inner.position, path: `${place.path}[${i}]` }
      for (const more of [[], [NAME]]) this.#places.set(keyOf([...keys, i, ...more]), at)
      return inner.kind === 'string' ? { [NAME]: inner.value } : bare(inner)
    })
  }

  #named(
    node: BlockNode,
    item: v.GenericSchema,
    keys: readonly (string | number)[],
    place: Place,
  ): unknown {
    return node.entries
      .filter((entry) => !entry.isVariable || entry.value.kind === 'block')
      .map((entry, i) => {
        const path = joined(place.path, entry.key)
        const inner = { position: entry.position, path }
        const value = this.#value(entry.value, item, [...keys, i], inner)
        this.#places.set(keyOf([...keys, i, NAME]), inner)
        return typeof value === 'object' ? { [NAME]: entry.key, ...value } : value
      })
  }

  #block(
    node: BlockNode,
    schema: v.GenericSchema,
    keys: readonly (string | number)[],
    place: Place,
  ): unknown {
    const entries = entriesOf(schema) ?? {}
    const rules = rulesOf(schema)
    const plain: Record<string, unknown> = {}
    for (const entry of node.entries) {
      const written = entry.key.toLowerCase()
      const key = rules.aliases[written] ?? written
      const at = { position: entry.position, path: joined(place.path, entry.key) }
      // `PASS` may be meant for `$PASS` alone, and is no password then.
      const isMeant = !entry.isVariable || entry.key === written
      const isKey = isMeant && Object.hasOwn(entries, key) && !(rules.isNamed && key === NAME)
      const isElsewhere = Object.hasOwn(rules.elsewhere, key)
      const inner = isKey && !isElsewhere ? entries[key] : undefined
      if (inner !== undefined && rules.inert.includes(key)) {
        this.warnings.push({ ...at, message: 'has no effect here' })
      }
      if (inner !== undefined) plain[key] = this.#value(entry.value, inner, [...keys, key], at)
      else this.#unknown(entry, at, rules, Object.keys(entries))
    }
    return plain
  }

  #unknown(entry: ConfigEntry, at: Place, rules: BlockRules, known: readonly string[]): void {
    const key = entry.key.toLowerCase()
    const name = rules.aliases[key] ?? key
    const elsewhere = Object.hasOwn(rules.elsewhere, name) ? rules.elsewhere[name] : undefined
    if (elsewhere !== undefined) {
      this.problems.push({ ...at, message: elsewhere })
    } else if (Object.hasOwn(rules.unsupported, key)) {
      if (isOff(entry.value)) return
      this.problems.push({ ...at, message: `not supported, because ${rules.unsupported[key]}` })
    } else if (rules.inert.includes(key)) {
      this.warnings.push({ ...at, message: 'has no effect here' })
    } else if (!entry.isVariable) {
      const keys = rules.isNamed ? known.filter((name) => name !== NAME) : known
      const choices = [...keys, ...Object.keys(rules.aliases)]
      const near = nearest(key, choices)
      const hint = near === undefined ? '' : `, did you mean "${near}"?`
      this.problems.push({ ...at, message: `unknown key${hint}` })
    }
  }
}

/** A value as plain data, whatever the schema: what it does not expect, it will say. */
function bare(node: ConfigNode): unknown {
  switch (node.kind) {
    case 'list':
      return node.items.map(bare)
    case 'block':
      return Object.fromEntries(node.entries.map((entry) => [entry.key, bare(entry.value)]))
    default:
      return node.value
  }
}

function isOff(node: ConfigNode): boolean {
  return node.kind !== 'list' && node.kind !== 'block' && [false, 0, ''].includes(node.value)
}

function joined(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function keyOf(keys: readonly (string | number)[]): string {
  return keys.join('\0')
}
