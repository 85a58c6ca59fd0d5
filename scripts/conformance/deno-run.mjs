/**
 * Runs one test file of the suite under Deno and reads what became of each test from its TAP output. What the
 * tests start shares their process group, and goes with it: a failed test leaves its servers running.
 */
import { spawn } from 'node:child_process'
import * as path from 'node:path'

/** How long the output of a whole file may take, many times what any needs. */
const FILE_MS = 600_000
const DETAIL_CHARS = 600

/**
 * Resolves to a map from test name to `{ status, detail }`; `names` picks some tests of the file. Tests that
 * never reported are not in it. `environment` has what `prepare` of suite.mjs gives.
 */
export function runFile(file, serverFolder, environment, names) {
  const { deno, importMap, suite, denoFolder } = environment
  const args = [
    'test',
    '--allow-all',
    '--no-check',
    '--no-config',
    `--import-map=${importMap}`,
    `--preload=${path.join(import.meta.dirname, 'limit.mjs')}`,
    '--reporter=tap',
    ...(names === undefined ? [] : [`--filter=/^(${names.map(escaped).join('|')})$/`]),
    ...(file.includes('/unsafe_tests/') ? ['--unsafely-ignore-certificate-errors'] : []),
    file,
  ]
  const child = spawn(deno, args, {
    cwd: suite,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `${serverFolder}${path.delimiter}${process.env.PATH}`,
      DENO_DIR: denoFolder,
      DENO_NO_UPDATE_CHECK: '1',
      NO_COLOR: '1',
    },
  })
  return collect(child)
}

function collect(child) {
  return new Promise((resolve, reject) => {
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const stop = () => stopGroup(child.pid)
    const deadline = setTimeout(stop, FILE_MS)
    process.on('exit', stop)
    child.on('error', reject)
    // Not `close`: a server that was left behind may hold the pipe.
    child.on('exit', () => {
      stop()
      clearTimeout(deadline)
      process.off('exit', stop)
      setImmediate(() => resolve(resultsOf(output)))
    })
  })
}

function stopGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of it is left.
  }
}

/** `ok 1 - name`, `ok 2 - name # SKIP`, `not ok 3 - name` and then a JSON line that says why. */
export function resultsOf(tap) {
  const results = new Map()
  let last
  for (const line of tap.split('\n')) {
    const [, failed, name, note] = /^(not )?ok \d+ - (.*?)( # SKIP.*)?$/.exec(line) ?? []
    if (name !== undefined) {
      last = { status: failed ? 'failed' : note ? 'skipped' : 'passed' }
      results.set(name, last)
    } else if (last !== undefined && line.startsWith('  {"message":')) {
      last.detail = JSON.parse(line).message.slice(0, DETAIL_CHARS)
    }
  }
  return results
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
