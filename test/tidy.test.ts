import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'

/**
 * The house rules that a machine can hold: who may import whom, who may touch the machine, and that
 * every file has a name that says what it keeps. The table is the one drawn in ARCHITECTURE.md.
 */

const ROOT = path.resolve(import.meta.dirname, '..')

/** A row may import rows of a lower rank, never its own or a higher one. */
const RANKS: Readonly<Record<string, number>> = {
  'shared/runtime': 0,
  'shared/subject': 1,
  'shared/wire': 1,
  'shared/config': 1,
  'shared/log': 1,
  'shared/account': 2,
  'shared/transport': 2,
  'shared/store': 2,
  'shared/broker': 3,
  'shared/stream': 3,
  'shared/link': 4,
  'shared/sync': 4,
  'shared/client': 4,
  'shared/monitor': 4,
  'shared/imports': 4,
  'shared/tracing': 4,
  'shared/system': 5,
  'shared/server': 6,
  hub: 7,
  leaf: 7,
  'bridge-mqtt': 7,
  process: 8,
  commands: 8,
  '.': 9,
}

const MACHINE_FOLDERS = ['shared/runtime', 'shared/transport', 'process']
const MACHINE_MODULES =
  /^(node:)?(fs|fs\/promises|net|tls|http|https|dgram|dns|child_process|worker_threads|timers|timers\/promises|perf_hooks)$/
const MACHINE_GLOBALS =
  /(?<![\w.#'])(setTimeout|setInterval|setImmediate|performance\.now|Date\.now|new Date\(\)|Math\.random)\b/
const NAMELESS = /(^|\/)(utils?|helpers?|common|misc|types)(\/|\.[a-z]+$)/i
const IMPATIENT = /import \{[^}]*\b(ws)?connect\b[^}]*\} from '@nats-io\//
const LINES_MAX = 400
const TEST_LINES_MAX = 600

interface Source {
  readonly file: string
  readonly text: string
}

const sources = ['shared', 'hub', 'leaf', 'bridge-mqtt', 'process', 'commands']
  .flatMap((folder) => walk(folder))
  .concat(['cli.ts', 'index.ts'])
  .map(read)
const tests = walk('test').map(read)

describe('tidy', () => {
  it('imports point down only, and through the door of a folder', () => {
    const wrong = sources.flatMap(({ file, text }) =>
      importsOf(text)
        .filter((specifier) => specifier.startsWith('.'))
        .flatMap((specifier) =>
          badImport(file, path.posix.join(path.posix.dirname(file), specifier)),
        ),
    )
    assert.deepEqual(wrong, [])
  })

  it('only runtime and transport touch files, sockets, time and chance', () => {
    const wrong = sources
      .filter(({ file }) => !MACHINE_FOLDERS.some((folder) => file.startsWith(`${folder}/`)))
      .filter(({ file }) => file !== 'cli.ts')
      .flatMap(({ file, text }) => {
        const modules = importsOf(text).filter((specifier) => MACHINE_MODULES.test(specifier))
        const globals = withoutComments(text).match(MACHINE_GLOBALS)
        return [...modules, ...(globals === null ? [] : [globals[0]])].map((it) => `${file}: ${it}`)
      })
    assert.deepEqual(wrong, [])
  })

  it('MQTT words stay in the MQTT bridge', () => {
    const wrong = sources
      .filter(({ file }) => file.startsWith('shared/store') || file.startsWith('shared/wire'))
      .filter(({ text }) => /mqtt-packet|Puback|puback/.test(text))
      .map(({ file }) => file)
    assert.deepEqual(wrong, [])
  })

  it('every file has a name that names something', () => {
    const all = [...sources, ...tests].map(({ file }) => file)
    assert.deepEqual(
      all.filter((file) => NAMELESS.test(file)),
      [],
    )
    const notKebab = all.filter(
      (file) => !/^[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(path.basename(file)),
    )
    assert.deepEqual(notKebab, [])
  })

  it('no file outgrows its room', () => {
    const long = [...sources, ...tests]
      .map(({ file, text }) => ({ file, lines: text.split('\n').length }))
      .filter(({ file, lines }) => lines > (file.startsWith('test/') ? TEST_LINES_MAX : LINES_MAX))
    assert.deepEqual(long, [])
  })

  it('named exports only, and no test is left focused or skipped', () => {
    const withDefault = sources.filter(({ text }) => /^export default /m.test(text))
    assert.deepEqual(
      withDefault.map(({ file }) => file),
      [],
    )
    const focused = tests
      .filter(({ file }) => file !== 'test/tidy.test.ts')
      .filter(({ text }) => /\b(it|describe)\.(only|skip)\(|this\.skip\(/.test(text))
    assert.deepEqual(
      focused.map(({ file }) => file),
      [],
    )
  })

  it('tests have the official client from where it is patient', () => {
    const wrong = tests
      .filter(({ file }) => !/^test\/(bench\/|support\/patience\.ts)/.test(file))
      .filter(({ text }) => IMPATIENT.test(text))
    assert.deepEqual(
      wrong.map(({ file }) => file),
      [],
    )
  })
})

function walk(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`
    if (entry.isDirectory()) return walk(file)
    return entry.name.endsWith('.ts') ? [file] : []
  })
}

function read(file: string): Source {
  return { file, text: readFileSync(path.join(ROOT, file), 'utf8') }
}

function importsOf(text: string): string[] {
  const found = text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]/g)
  const lazy = text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)
  return [...found, ...lazy].map((match) => match[1]!)
}

function folderOf(file: string): string {
  const [first, second] = file.split('/')
  if (second === undefined) return '.'
  return first === 'shared' ? `shared/${second}` : first!
}

function badImport(from: string, to: string): string[] {
  const own = folderOf(from)
  const other = folderOf(to)
  if (own === other) return []
  const rank = RANKS[own]
  const otherRank = RANKS[other]
  if (rank === undefined || otherRank === undefined)
    return [`${from}: no rank for ${own} or ${other}`]
  if (otherRank >= rank) return [`${from} (${rank}) imports ${to} (${otherRank})`]
  return path.posix.basename(to) === 'index.ts' ? [] : [`${from} reaches past the door: ${to}`]
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
}
