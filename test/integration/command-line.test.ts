import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { FleetHarness, until } from '../support/fleet-harness.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

/** The binary as operators use it: every message it prints, and how it ends. */

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

function petiole(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

describe('command line', function () {
  this.timeout(60_000)
  let folder: string
  const started: PetioleProcess[] = []

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-cli-'))
  })

  after(async () => {
    await Promise.all(started.map((each) => each.kill()))
    await rm(folder, { recursive: true, force: true })
  })

  function hub(name: string, ...args: string[]): PetioleProcess {
    const each = new PetioleProcess(name, ['hub', ...args])
    started.push(each)
    return each
  }

  it('config check prints every problem with its line and fails', async () => {
    const file = path.join(folder, 'bad.conf')
    await writeFile(
      file,
      'port: 70000\nmqtt { prot: 1883 }\nbuffers { a: { subjects: ["x..y"] } }\n',
    )
    const { code, out } = await petiole('config', 'check', file)
    assert.equal(code, 1)
    assert.match(out, /bad\.conf:1: port: /)
    assert.match(out, /bad\.conf:2: mqtt\.prot: unknown key, did you mean "port"\?/)
    assert.match(out, /bad\.conf:3: buffers\.a\.subjects/)
  })

  it('a taken port is named, with what to do, and nothing is left running', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => blocker.once('listening', resolve))
    const { port } = blocker.address() as { port: number }
    const store = path.join(folder, 'taken')
    const { code, err } = await petiole('hub', '-a', '127.0.0.1', '-p', `${port}`, '-sd', store)
    blocker.close()
    assert.equal(code, 1)
    assert.match(err, new RegExp(`port ${port}.*is taken`))
  })

  it('a store directory of another server, or one that cannot be made, is refused', async () => {
    const store = path.join(folder, 'store')
    const args = ['-a', '127.0.0.1', '-p', '-1', '-js', '-sd', store]
    const first = hub('first', '-n', 'one', ...args)
    await first.start()
    const second = await petiole('hub', '-n', 'one', ...args)
    assert.equal(second.code, 1)
    assert.match(
      second.err,
      /is held by process \d+: stop the other server, or give this one another store_dir/,
    )
    assert.equal(await first.stop(), 0)

    const stranger = await petiole('hub', '-n', 'two', ...args)
    assert.equal(stranger.code, 1)
    assert.match(stranger.err, /belongs to server .*one.*this one is .*two/)

    const plainFile = path.join(folder, 'file')
    await writeFile(plainFile, '')
    const blocked = await petiole('hub', '-a', '127.0.0.1', '-p', '-1', '-js', '-sd', plainFile)
    assert.equal(blocked.code, 1)
    assert.match(blocked.err, /store directory .*file cannot be used \(ENOTDIR.*another store_dir/)
  })

  it('the pid file is there while it runs, and a SIGTERM drains it', async () => {
    const pidFile = path.join(folder, 'pid')
    const running = hub('hub', '-a', '127.0.0.1', '-p', '-1', '-P', pidFile)
    await running.start()
    const pid = await until(
      'pid file',
      () => readFile(pidFile, 'utf8'),
      (text) => text !== '',
      5_000,
    )
    assert.equal(Number(pid), running.pid)
    assert.equal(await running.stop(), 0)
    await assert.rejects(readFile(pidFile), { code: 'ENOENT' })
  })

  it('fleet status says what is wrong when there is no hub', async () => {
    const { code, err } = await petiole('fleet', 'status', '--hub', 'nats://127.0.0.1:1')
    assert.equal(code, 1)
    assert.match(err, /no answer from a hub at 127\.0\.0\.1:1: .*--hub URL/)
    const garbage = await petiole('fleet', 'status', '--hub', 'a b c')
    assert.match(garbage.err, /--hub a b c is no address: write nats:/)
  })

  it('another leaf under a taken name is refused until the name is released', async () => {
    const harness = await FleetHarness.create()
    const hubUrl = `nats://127.0.0.1:${harness.ports.hub}`
    try {
      await harness.hub.start()
      await harness.leaf.start()
      await until(
        'leaf in sync',
        () => petiole('fleet', 'status', '--hub', hubUrl),
        ({ out }) => /leaf-test +in sync/.test(out),
        10_000,
      )
      await harness.leaf.kill()
      await until(
        'leaf offline, well before its reports are missed',
        () => petiole('fleet', 'status', '--hub', hubUrl),
        ({ out }) => /leaf-test +offline/.test(out),
        5_000,
      )
      await harness.exchangeLeafStore()
      await harness.leaf.start()
      await until(
        'refusal',
        () => harness.leaf.log.join('\n'),
        (log) => /leaf-test belongs to another leaf.*petiole fleet release leaf-test/.test(log),
        10_000,
      )
      const released = await petiole('fleet', 'release', 'leaf-test', '--hub', hubUrl)
      assert.match(released.out, /released leaf-test/)
      const unknown = await petiole('fleet', 'release', 'nobody', '--hub', hubUrl)
      assert.equal(unknown.code, 1)
      assert.match(unknown.err, /nobody/)
    } finally {
      await harness.destroy()
    }
  })

  it('a copy of a running store does not start twice on one machine', async () => {
    const store = path.join(folder, 'original')
    const flags = (dir: string) => ['-a', '127.0.0.1', '-p', '-1', '-js', '-sd', dir]
    const original = hub('original', '-n', 'one', ...flags(store))
    await original.start()
    const copy = path.join(folder, 'copy')
    await cp(store, copy, { recursive: true })
    const { code, err } = await petiole('hub', '-n', 'one', ...flags(copy))
    assert.equal(code, 1)
    assert.match(err, /is held by process/)
    await original.stop()
  })
})
