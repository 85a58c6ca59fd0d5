#!/usr/bin/env node
/**
 * Runs the public test suites of the official JavaScript clients against Petiole and against the real
 * nats-server, and says which tests only Petiole fails. Those that docs/conformance.md explains are in
 * conformance-exceptions.json; any other makes the run fail.
 *
 *   node scripts/conformance.mjs --suite DIR --std DIR   core and services; or name modules or files of it
 *     --suite DIR     a checkout of nats.js;  --std DIR  one of Deno's standard library
 *     --server FILE   what is tested, instead of scripts/nats-server
 *     --peer          run the real server again, though its results are there
 *     --peer-server FILE   the real server, instead of the one in .peers/bin
 *     --jobs N        test files that run at a time (2)
 *
 * A test that fails runs twice again, the last time alone: many of the suite's tests race with the machine.
 * Results are left in .conformance/results/.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { runFile } from './conformance/deno-run.mjs'
import { CACHE, filesOf, prepare, SUITE } from './conformance/suite.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const RESULTS = path.join(CACHE, 'results')
const EXCEPTIONS = path.join(import.meta.dirname, 'conformance-exceptions.json')

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'string', default: path.join(import.meta.dirname, 'nats-server') },
    peer: { type: 'boolean', default: false },
    'peer-server': { type: 'string', default: path.join(ROOT, '.peers', 'bin', 'nats-server') },
    suite: { type: 'string' },
    std: { type: 'string' },
    jobs: { type: 'string', default: '2' },
  },
})

const environment = prepare(options)
const modules = positionals.length === 0 ? ['core', 'services'] : positionals
const files = modules.flatMap((name) =>
  name.endsWith('.ts') ? [name] : filesOf(name, environment.suite),
)
fs.mkdirSync(RESULTS, { recursive: true })

const peer = serverAs('peer', options['peer-server'])
const ours = serverAs('ours', options.server)
process.stdout.write(`${SUITE.name} ${SUITE.version}: ${ours.version} beside ${peer.version}\n`)

const rows = await inParallel(files, Number(options.jobs), async (file) => {
  const wanted = await baseline(file)
  const got = await attempts(file, ours, [...wanted.keys()])
  const row = compared(file, wanted, got)
  process.stdout.write(`${file}: ${summary(row)}\n`)
  return row
})
report(rows.flat())

/** A folder in which `file` is called nats-server, for the suite looks for that name in the PATH. */
function serverAs(role, file) {
  const binary = path.resolve(file)
  const folder = path.join(CACHE, role)
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  fs.symlinkSync(binary, path.join(folder, 'nats-server'))
  const { status, stdout } = spawnSync(path.join(folder, 'nats-server'), ['-v'], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    process.stderr.write(`conformance: cannot run ${binary}\n`)
    process.exit(2)
  }
  return { folder, version: stdout.trim() }
}

/** What the real server makes of a file: kept, for neither it nor the suite changes from run to run. */
async function baseline(file) {
  const key = `${SUITE.version}-${peer.version}-${file}`.replace(/[^\w.-]+/g, '_')
  const kept = path.join(RESULTS, `${key}.json`)
  if (!options.peer && fs.existsSync(kept)) {
    return new Map(JSON.parse(fs.readFileSync(kept, 'utf8')))
  }
  const results = await attempts(file, peer)
  fs.writeFileSync(kept, JSON.stringify([...results], null, 1))
  return results
}

/**
 * Runs a file, and again what failed in it or, of the `names`, never reported: first together, then each in a
 * process of its own, for a test that ends the process takes those behind it along.
 */
async function attempts(file, server, names = []) {
  const results = await runFile(file, server.folder, environment)
  const failed = () =>
    [...new Set([...names, ...results.keys()])].filter(
      (name) => (results.get(name)?.status ?? 'failed') === 'failed',
    )
  const again = async (tests) => {
    for (const [name, result] of await runFile(file, server.folder, environment, tests)) {
      results.set(name, result.status === 'passed' ? { ...result, isFlaky: true } : result)
    }
  }
  if (failed().length > 0) await again(failed())
  for (const name of failed()) await again([name])
  return results
}

function compared(file, wanted, got) {
  return [...wanted].map(([name, { status }]) => {
    const mine = got.get(name) ?? { status: 'failed', detail: 'never ran' }
    const isOurs = mine.status === 'failed'
    const isTheirs = status === 'failed'
    const verdict = isOurs ? (isTheirs ? 'both' : 'here only') : isTheirs ? 'there only' : 'passed'
    return { test: `${file} › ${name}`, verdict, ...mine }
  })
}

function summary(row) {
  const count = (verdict) => row.filter((test) => test.verdict === verdict).length
  return `passed on both ${count('passed')}, fails here only ${count('here only')}, fails on both ${count('both')}, fails there only ${count('there only')}`
}

function report(tests) {
  const exceptions = JSON.parse(fs.readFileSync(EXCEPTIONS, 'utf8'))
  fs.writeFileSync(path.join(RESULTS, 'latest.json'), JSON.stringify(tests, null, 1))
  for (const { test, verdict, detail } of tests) {
    if (verdict === 'passed' || verdict === 'there only') continue
    const reason = exceptions[test] ?? detail?.split('\n')[0] ?? ''
    const mark = verdict === 'here only' && test in exceptions ? 'here only, explained' : verdict
    process.stdout.write(`fails ${mark}: ${test}\n    ${reason}\n`)
  }
  const flaky = tests.filter(({ isFlaky }) => isFlaky).length
  const unexplained = tests.filter(
    ({ test, verdict }) => verdict === 'here only' && !(test in exceptions),
  )
  process.stdout.write(
    `\n${summary(tests)}; ${flaky} passed when run again; ${unexplained.length} unexplained\n`,
  )
  process.exitCode = unexplained.length === 0 ? 0 : 1
}

/** The results of `work` on each item, in order, `jobs` at a time. */
async function inParallel(items, jobs, work) {
  const results = new Array(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index])
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker))
  return results
}
