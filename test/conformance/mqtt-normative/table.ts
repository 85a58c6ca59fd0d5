import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { FROM_CLIENT_3, FROM_SERVER_3 } from './packets-3.ts'
import { FROM_CLIENT, FROM_SERVER } from './packets-5.ts'
import { PROOFS } from './proofs.ts'
import { STATEMENTS_3 } from './statements-3.ts'
import { STATEMENTS_5 } from './statements-5.ts'

/** The statements as facts, what shows them, and docs/mqtt-normative.md, which is written from both. */
export const ROOT = path.resolve(import.meta.dirname, '../../..')
export const DOCUMENT = path.join(ROOT, 'docs/mqtt-normative.md')

export const STANDINGS = ['codec', 'both', 'door', 'other'] as const
export type Standing = (typeof STANDINGS)[number]

export interface Statement {
  readonly id: string
  readonly standing: string
  readonly words: string
}

export interface Version {
  readonly title: string
  readonly statements: readonly Statement[]
  /** What the rows and proofs of this folder name. */
  readonly shown: ReadonlySet<string>
  /** Tests of the front door and of the client mode, by the statements that they name. */
  readonly door: ReadonlyMap<string, string>
}

/** Numbers mean other things in the other version, so its tests do not count. */
const OF_MQTT_5 = /mqtt-5/

export const VERSIONS: readonly Version[] = [
  {
    title: 'MQTT 5.0',
    statements: STATEMENTS_5.map(parse),
    door: doorTests((file) => OF_MQTT_5.test(file)),
    shown: idsOf(
      [...FROM_CLIENT, ...FROM_SERVER].map(([ids]) => ids),
      PROOFS.map(({ of5 }) => of5),
    ),
  },
  {
    title: 'MQTT 3.1.1',
    statements: STATEMENTS_3.map(parse),
    door: doorTests((file) => !OF_MQTT_5.test(file)),
    shown: idsOf(
      [...FROM_CLIENT_3, ...FROM_SERVER_3].map(([ids]) => ids),
      PROOFS.map(({ of3 }) => of3),
    ),
  },
]

function parse(line: string): Statement {
  const [id = '', standing = '', ...words] = line.split(' ')
  return { id, standing, words: words.join(' ') }
}

function idsOf(...lists: readonly (readonly string[])[]): ReadonlySet<string> {
  return new Set(lists.flat().flatMap((ids) => ids.split(' ').filter((id) => id !== '')))
}

function doorTests(isOfVersion: (file: string) => boolean): Map<string, string> {
  const files = ['test/conformance', 'test/unit/bridge-mqtt', 'test/unit/bridge-mqtt/session']
    .flatMap((folder) => readdirSync(path.join(ROOT, folder)).map((name) => `${folder}/${name}`))
    .filter((file) => /mqtt.*\.test\.ts$/.test(file) && isOfVersion(file))
  const found = new Map<string, string>()
  for (const file of files) {
    const text = readFileSync(path.join(ROOT, file), 'utf8')
    // Titles name statements as `[MQTT-1.2.3-4, 1.2.3-5]`; the rows of a table, in quotes.
    for (const match of text.matchAll(/\[MQTT-([\d.\-, ]+)\]|'MQTT-([\d.-]+)'/g)) {
      const list = match[1] ?? match[2] ?? ''
      for (const id of list.split(', ')) if (!found.has(id)) found.set(id, file)
    }
  }
  return found
}

const SAID: Readonly<Record<string, (id: string, version: Version) => string>> = {
  codec: () => 'codec',
  both: (id, { door }) => `codec; ${path.basename(door.get(id) ?? '')}`,
  door: (id, { door }) => path.basename(door.get(id) ?? ''),
  other: () => 'no test',
}

export function document(): string {
  const lines = [
    '# MQTT: the normative statements',
    '',
    'Each numbered statement of [MQTT 5.0](https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html) and',
    '[MQTT 3.1.1](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html), in our words, and what shows that it is kept.',
    'This page is written by `UPDATE_DOCS=1 npx mocha test/conformance/mqtt-normative/mqtt-normative.test.ts`, and the same test fails',
    'when it is not true any more: a statement that a row, a proof or a test is said to show must be named by one.',
    '',
    '- **codec**: rows of packets, or proofs, in `test/conformance/mqtt-normative/`.',
    '- the name of a test file: the front door does it, or a leaf that is a client; **codec;** before it: both have their part.',
    '- **no test**: the words say why.',
    '',
  ]
  for (const version of VERSIONS) {
    const { title, statements } = version
    const counts = STANDINGS.map((standing) => {
      const count = statements.filter((it) => it.standing === standing).length
      return `${count} ${standing}`
    })
    lines.push(`## ${title}`, '', `${statements.length} statements: ${counts.join(', ')}.`, '')
    lines.push('| statement | about | shown by |', '|---|---|---|')
    for (const { id, standing, words } of statements) {
      lines.push(`| ${id} | ${words} | ${SAID[standing]?.(id, version) ?? ''} |`)
    }
    lines.push('')
  }
  return lines.join('\n')
}
