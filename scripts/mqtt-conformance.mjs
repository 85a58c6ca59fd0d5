#!/usr/bin/env node
/**
 * Runs what others wrote to test MQTT brokers against Petiole: Eclipse Paho's interoperability tests (3.1.1 and
 * MQTT 5), and those of mosquitto's own broker tests that need no configuration file. Says what passes and fails,
 * and of each failure which packet was wanted and which came.
 *
 *   node scripts/mqtt-conformance.mjs --paho DIR --mosquitto DIR [name…]
 *     --paho DIR        a checkout of eclipse-paho/paho.mqtt.testing
 *     --mosquitto DIR   a checkout of eclipse-mosquitto/mosquitto, v2.0.11 or v2.0.22
 *     --root DIR        whose dist/ is tested, instead of this checkout's
 *     --peer            tests .peers/bin/mosquitto instead; --peer-server FILE another one
 *     --as-written      without what conformance/mqtt-corrections.mjs changes
 *     --jobs N          tests that run at a time (4)
 *     --once            runs no failed test again
 *     --verbose         all that a failed test printed
 *   A name picks the tests that begin with it: 07-will, v5.test_will_delay.
 *
 * A test that fails runs again alone: many wait a fixed time. What passes then is marked. The servers run with
 * the profile of conformance/mqtt-profile.mjs. Results are left in .conformance/results/.
 */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { peerServer, petioleServer } from './conformance/mqtt-profile.mjs'
import { mosquittoTests, pahoTests, runTest } from './conformance/mqtt-suites.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const CACHE = path.join(ROOT, '.conformance')

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    paho: { type: 'string' },
    mosquitto: { type: 'string' },
    root: { type: 'string', default: ROOT },
    peer: { type: 'boolean', default: false },
    'peer-server': { type: 'string', default: path.join(ROOT, '.peers', 'bin', 'mosquitto') },
    'as-written': { type: 'boolean', default: false },
    jobs: { type: 'string', default: '4' },
    once: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

const scratch = path.join(CACHE, options.peer ? 'mqtt-peer' : 'mqtt')
fs.rmSync(scratch, { recursive: true, force: true })
fs.mkdirSync(path.join(CACHE, 'results'), { recursive: true })
fs.mkdirSync(scratch, { recursive: true })
const server = options.peer
  ? peerServer(scratch, path.resolve(options['peer-server']))
  : petioleServer(scratch, path.resolve(options.root))

const isAsWritten = options.peer || options['as-written']
const tests = [
  ...(options.paho ? pahoTests(path.resolve(options.paho), scratch, server) : []),
  ...(options.mosquitto
    ? mosquittoTests(path.resolve(options.mosquitto), scratch, server, isAsWritten)
    : []),
].filter(({ name }) => names.length === 0 || names.some((start) => name.startsWith(start)))
if (tests.length === 0) fail('nothing to run: name a checkout with --paho or --mosquitto')

process.stdout.write(`${tests.length} tests at ${server.title}\n`)
const results = await inParallel(tests, Number(options.jobs), async (test) => {
  const result = await runTest(test, scratch)
  process.stdout.write(`${result.isPassed ? 'passed' : 'failed'} ${test.suite} ${test.name}\n`)
  return { ...result, suite: test.suite, name: test.name, isCorrected: test.isCorrected }
})
for (const [index, test] of tests.entries()) {
  if (results[index].isPassed || options.once) continue
  const again = await runTest(test, scratch)
  if (again.isPassed) Object.assign(results[index], again, { isFlaky: true })
}
report()

function report() {
  const file = path.join(CACHE, 'results', options.peer ? 'mqtt-peer.json' : 'mqtt.json')
  fs.writeFileSync(file, JSON.stringify(results, null, 1))
  for (const { suite, name, isPassed, output, detail } of results) {
    if (isPassed) continue
    process.stdout.write(`\n${suite} ${name}\n    ${detail.join('\n    ')}\n`)
    if (options.verbose) process.stdout.write(`${output}\n`)
  }
  process.stdout.write('\n')
  for (const suite of new Set(results.map((result) => result.suite))) {
    const of = results.filter((result) => result.suite === suite)
    const passed = of.filter(({ isPassed }) => isPassed)
    const corrected = passed.filter(({ isCorrected }) => isCorrected).length
    const flaky = passed.filter(({ isFlaky }) => isFlaky).length
    process.stdout.write(
      `${suite}: ${passed.length} of ${of.length}; ${corrected} of them corrected, ${flaky} when run again\n`,
    )
  }
  process.exitCode = results.every(({ isPassed }) => isPassed) ? 0 : 1
}

function fail(text) {
  process.stderr.write(`mqtt-conformance: ${text}\n`)
  process.exit(2)
}

/** The results of `work` on each item, in order, `jobs` at a time. */
async function inParallel(items, jobs, work) {
  const done = new Array(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      done[index] = await work(items[index])
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker))
  return done
}
