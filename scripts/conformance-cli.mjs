#!/usr/bin/env node
/**
 * Runs commands of the `nats` CLI against Petiole and against the real nats-server, and says which of them end
 * otherwise: operators' commands with the system account, and what applications do with another.
 *
 *   node scripts/conformance-cli.mjs [--nats FILE] [--server FILE] [--peer-server FILE] [--only WORD] [--outputs]
 *
 * `--outputs` tells what they print otherwise, but for times, sizes, ids and the like. Whole outputs of both,
 * side by side, are left in .conformance/results/cli.json.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { APPLICATION, OPERATOR } from './conformance/cli-commands.mjs'
import { differences } from './conformance/cli-output.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const RESULTS = path.join(ROOT, '.conformance', 'results')
const COMMAND_MS = 20_000
const READY_MS = 20_000

const { values: options } = parseArgs({
  options: {
    nats: { type: 'string', default: 'nats' },
    server: { type: 'string', default: path.join(import.meta.dirname, 'nats-server') },
    'peer-server': { type: 'string', default: path.join(ROOT, '.peers', 'bin', 'nats-server') },
    only: { type: 'string', default: '' },
    outputs: { type: 'boolean', default: false },
  },
})

const wanted = await allCommands(options['peer-server'])
const got = await allCommands(options.server)
fs.mkdirSync(RESULTS, { recursive: true })
const rows = wanted.map((there, index) => ({ command: there.command, there, here: got[index] }))
fs.writeFileSync(path.join(RESULTS, 'cli.json'), JSON.stringify(rows, null, 1))
const different = rows.filter(({ there, here }) => there.code !== here.code)
for (const { command, there, here } of different) {
  process.stdout.write(
    `nats ${command}: ends with ${here.code}, at the real server ${there.code}\n`,
  )
  process.stdout.write(`    ${here.output.trim().split('\n').slice(0, 2).join('\n    ')}\n`)
}
let told = 0
for (const { command, there, here } of rows) {
  const lines = differences(there.output, here.output)
  if (lines.length === 0) continue
  told++
  if (options.outputs) process.stdout.write(`nats ${command}\n    ${lines.join('\n    ')}\n`)
}
process.stdout.write(
  `\n${rows.length - different.length} of ${rows.length} end alike, ${rows.length - told} say the same\n`,
)
process.exitCode = different.length === 0 ? 0 : 1

/** What each command came to at a server of its own. */
async function allCommands(binary) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-cli-'))
  const server = await started(binary, folder)
  const run = { folder, url: server.url, id: server.id, beside: [], results: [] }
  try {
    for (const [user, list] of [
      ['app', APPLICATION],
      ['sys', OPERATOR],
    ]) {
      for (const line of list.split(/[|\n]/).map((text) => text.trim())) {
        if (line !== '') await perform(run, user, line)
      }
    }
  } finally {
    for (const child of run.beside) child.kill()
    server.child.kill('SIGKILL')
  }
  fs.rmSync(folder, { recursive: true, force: true })
  return run.results
}

async function perform(run, user, line) {
  if (line === '.') {
    for (const child of run.beside.splice(0)) {
      child.kill()
      await once(child, 'exit')
    }
    return
  }
  const words = line
    .replace('& ', '')
    .replaceAll('DIR', run.folder)
    .replace('SELF', run.id)
    .split(/ +/)
  const args = ['-s', run.url, '--user', user, '--password', user, '--timeout', '5s', ...words]
  const env = { ...process.env, HOME: run.folder, XDG_CONFIG_HOME: run.folder, NO_COLOR: '1' }
  if (line.startsWith('& ')) {
    run.beside.push(spawn(options.nats, args, { env, stdio: 'ignore' }))
    // The CLI does not say when it has subscribed.
    await delay(1_000)
  } else if (line.includes(options.only)) {
    const settings = { env, cwd: run.folder, encoding: 'utf8', timeout: COMMAND_MS }
    const { status, signal, stdout, stderr } = spawnSync(options.nats, args, settings)
    run.results.push({ command: line, code: status ?? signal, output: stdout + stderr })
  }
}

async function started(binary, folder) {
  const file = path.join(folder, 'server.conf')
  fs.writeFileSync(path.join(folder, 'small'), 'a small object\n')
  fs.writeFileSync(path.join(folder, 'large'), Buffer.alloc(1_000_000, 'large '))
  fs.writeFileSync(
    file,
    `listen: "127.0.0.1:-1"\nserver_name: n1\nsystem_account: SYS
jetstream { store_dir: "${folder}/store", max_file_store: 20GB, max_mem_store: 64MB }
accounts {
  SYS { users: [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users: [{ user: app, password: app }] }
}\n`,
  )
  const child = spawn(binary, ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  process.on('exit', () => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text
    })
  }
  for (const end = Date.now() + READY_MS; !output.includes('Server is ready'); await delay(20)) {
    if (Date.now() > end || child.exitCode !== null) throw new Error(`${binary}:\n${output}`)
  }
  const [, port] = /Listening for client connections on .*:(\d+)/.exec(output) ?? []
  const [, id] = /ID: +(\w+)/.exec(output) ?? []
  return { child, id, url: `nats://127.0.0.1:${port}` }
}
