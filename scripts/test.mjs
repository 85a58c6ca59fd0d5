#!/usr/bin/env node
/**
 * All that must hold before a change goes in: types, style, tests. Ends with `N passed, N failed`. With
 * arguments it runs mocha alone and passes them on: `npm test -- test/unit/store`. Where there are two cores,
 * the tests run in two lanes; what the second says comes when the first is over.
 */
import { spawn } from 'node:child_process'
import * as os from 'node:os'
import * as path from 'node:path'
import { countOf, failedTests } from './mocha-report.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const bin = (name, file) => path.join(ROOT, 'node_modules', name, file)
const mochaArgs = process.argv.slice(2)

/** How long mocha may take to end after its last words. */
const LINGER_MS = 30_000

/**
 * What needs no peers and no patience; `npm run interop` and the benchmarks are asked for by name. The first
 * lane starts servers and waits for disks and timers, the second computes, in one process.
 */
const LANES = [
  ['test/*.test.ts', 'test/{conformance,integration,fault}/**/*.test.ts'],
  ['test/{unit,fuzz,sim}/**/*.test.ts'],
]

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
    const { code, output } = await run(args, () => {})
    if (code === 0) passed++
    else fail(name, output)
  }
}
await tests()
for (const name of failures) process.stdout.write(`failed: ${name}\n`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1

async function tests() {
  const colour = process.stdout.isTTY ? ['--color'] : []
  const isNamed = mochaArgs.some((arg) => /\.test\.ts$|^test\//.test(arg))
  const lanes = isNamed ? [[]] : os.availableParallelism() > 1 ? LANES : [LANES.flat()]
  const voices = inTurn(lanes.length)
  const args = [bin('mocha', 'bin/mocha.js'), ...colour, ...mochaArgs.flatMap(filesOf)]
  const runs = lanes.map(async (files, i) => {
    const result = await run([...args, ...files], voices[i].say)
    voices[i].end()
    return result
  })
  for (const result of await Promise.all(runs)) count(result)
}

function count({ code, output }) {
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

/** So many voices, of which each is heard when those before it have ended. */
function inTurn(number) {
  let current = 0
  const voices = Array.from({ length: number }, (_, i) => {
    const voice = { isOver: false, unheard: '', say, end }
    function say(text) {
      if (i === current) process.stdout.write(text)
      else voice.unheard += text
    }
    function end() {
      voice.isOver = true
      while (voices[current]?.isOver === true) {
        current++
        process.stdout.write(voices[current]?.unheard ?? '')
      }
    }
    return voice
  })
  return voices
}

/** A folder stands for the tests in it. */
function filesOf(argument) {
  const isFolder =
    argument.startsWith('test/') && !argument.includes('*') && !argument.endsWith('.ts')
  return isFolder ? [`${argument.replace(/\/$/, '')}/**/*.test.ts`] : [argument]
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
function run(args, say) {
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
