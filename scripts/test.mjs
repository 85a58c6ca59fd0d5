#!/usr/bin/env node
/**
 * All that must hold before a change goes in: types, style, tests. Ends with `N passed, N failed`. With
 * arguments it runs mocha alone and passes them on: `npm test -- test/unit/store`. Where there are two cores,
 * several processes of mocha share the files.
 */
import { spawn } from 'node:child_process'
import * as os from 'node:os'
import * as path from 'node:path'
import { countOf, failedTests } from './mocha-report.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const bin = (name, file) => path.join(ROOT, 'node_modules', name, file)
const REPORTER = path.join(ROOT, 'scripts', 'mocha-reporter.mjs')
const mochaArgs = process.argv.slice(2)

/** How long mocha may take to end after its last words. */
const LINGER_MS = 30_000

/**
 * What needs no peers and no patience; `npm run interop` and the benchmarks are asked for by name. The longest files
 * are begun first, so that none is left over when all others are done.
 */
const FILES = [
  'test/sim/**/*.test.ts',
  'test/{fault,integration,conformance,fuzz}/**/*.test.ts',
  'test/*.test.ts',
  'test/unit/**/*.test.ts',
]

/** So many files at once: half of them wait, for servers, disks and timers, so these are more than there are cores. */
const JOBS = os.availableParallelism() > 1 ? 3 : 1

const CHECKS = [
  ['types', [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.json', '--noEmit']],
  ['style', [bin('@biomejs/biome', 'bin/biome'), 'check', '--error-on-warnings', '.']],
]

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

let passed = 0
let failed = 0
const failures = []

if (mochaArgs.length === 0) {
  for (const [name, args] of CHECKS) {
    process.stdout.write(`${name} …\n`)
    const { code, output } = await run(args)
    if (code === 0) passed++
    else fail(name, output)
  }
}
await tests()
for (const name of failures) process.stdout.write(`failed: ${name}\n`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1

/**
 * Of whole folders each process takes the next file when it is done with one, and what came of a file is told when it
 * is over. Single files, and whatever is asked for with options, run in one process that is heard at once.
 */
async function tests() {
  const isAll = mochaArgs.length === 0
  const isParallel = JOBS > 1 && mochaArgs.every(isFolder)
  const args = [
    bin('mocha', 'bin/mocha.js'),
    ...(process.stdout.isTTY ? ['--color'] : []),
    ...(isParallel ? ['--parallel', '--jobs', String(JOBS), '--reporter', REPORTER] : []),
    ...(isAll ? FILES : mochaArgs.flatMap(filesOf)),
  ]
  const { code, output } = await run(args, (text) => process.stdout.write(text))
  const passing = countOf(output, 'passing')
  const failing = countOf(output, 'failing')
  passed += passing ?? 0
  failed += failing ?? 0
  if ((failing ?? 0) > 0) {
    const names = failedTests(output)
    failures.push(...(names.length === failing ? names : [...names, 'tests, see above']))
  } else if ((code !== 0 && code !== 'SIGKILL') || passing === undefined)
    fail(`mocha ended with ${code}`, '')
}

/** A folder stands for the tests in it. */
function filesOf(argument) {
  return isFolder(argument) ? [`${argument.replace(/\/$/, '')}/**/*.test.ts`] : [argument]
}

function isFolder(argument) {
  return argument.startsWith('test/') && !argument.includes('*') && !argument.endsWith('.ts')
}

function fail(name, output) {
  process.stdout.write(output)
  failures.push(name)
  failed++
}

/**
 * Runs one of the tools; resolves to what it said and how it ended. One that has printed its last words
 * and does not end has something left running: it is stopped and named, for a run must come to an end.
 */
function run(args, say = () => {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let output = ''
    let linger
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
        say(text)
        if (linger === undefined && countOf(text, 'passing') !== undefined) {
          linger = setTimeout(() => {
            say('notice: the tests are over, but left something running\n')
            stop(child)
          }, LINGER_MS)
        }
      })
    }
    // Its own process group, so that what it started goes with it; a Ctrl-C is ours to pass on.
    const onExit = () => stop(child)
    process.on('exit', onExit)
    child.on('close', (code, signal) => {
      process.off('exit', onExit)
      clearTimeout(linger)
      resolve({ code: code ?? signal, output })
    })
  })
}

function stop(child) {
  process.kill(-child.pid, 'SIGKILL')
}
