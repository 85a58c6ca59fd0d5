import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { createLog, type LogOptions, type LogSettings } from '../../../shared/log/index.ts'
import { PetioleError } from '../../../shared/runtime/index.ts'

const SETTINGS: LogSettings = {
  debug: false,
  trace: false,
  logtime: true,
  logtime_utc: false,
  log_file: '',
  logfile_size_limit: 0,
  logfile_max_num: 0,
  log_format: '',
}

/** A log and the lines that it wrote. */
function logged(settings: Partial<LogSettings> = {}, options: LogOptions = {}) {
  const lines: string[] = []
  const write = (line: string): void => {
    lines.push(line)
  }
  return { log: createLog({ ...SETTINGS, ...settings }, { ...options, write }), lines }
}

function parsed(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? '{}')
}

describe('log', () => {
  it('writes one JSON object per line, with the message as it was given', () => {
    const { log, lines } = logged()
    log.info({ port: 4222 }, 'Server is ready')
    const { time, ...rest } = parsed(lines[0])
    assert.deepEqual(rest, { level: 'info', port: 4222, msg: 'Server is ready' })
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/)
    assert.match(lines[0] ?? '', /\n$/)
  })

  it('says what debug and trace ask for, and no more', () => {
    const levels = (settings: Partial<LogSettings>): string[] => {
      const { log, lines } = logged(settings)
      for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
        log[level]({}, 'x')
      }
      return lines.map((line) => String(parsed(line)['level']))
    }
    assert.deepEqual(levels({}), ['info', 'warn', 'error', 'fatal'])
    assert.deepEqual(levels({ debug: true }), ['debug', 'info', 'warn', 'error', 'fatal'])
    assert.equal(levels({ trace: true }).length, 6)
  })

  it('leaves the time out when asked to', () => {
    const { log, lines } = logged({ logtime: false })
    log.info({}, 'x')
    assert(!('time' in parsed(lines[0])))
  })

  it('carries the fields of a child', () => {
    const { log, lines } = logged()
    log.child({ cid: 7 }).child({ account: 'A' }).warn({ n: 1 }, 'x')
    assert.deepEqual(
      [parsed(lines[0])['cid'], parsed(lines[0])['account'], parsed(lines[0])['n']],
      [7, 'A', 1],
    )
  })

  it('never writes a secret', () => {
    const { log, lines } = logged({}, { redact: ['deep.down.word'] })
    const secret = 'hunter2'
    log.info({ password: secret, token: secret }, 'x')
    log.info({ connect: { pass: secret, auth_token: secret, jwt: secret } }, 'x')
    log.info({ deep: { down: { word: secret } } }, 'x')
    log.child({ credentials: secret }).info({}, 'x')
    assert.equal(lines.length, 4)
    assert(!lines.join('').includes(secret), lines.join(''))
  })

  it('writes an expected error with its code and cause, an unexpected one with its stack', () => {
    const { log, lines } = logged()
    const cause = new Error('ENOSPC: no space left')
    log.error({ err: new PetioleError('PETIOLE_STORE_FULL', 'the store is full', { cause }) }, 'x')
    log.error({ err: new TypeError('broken') }, 'x')
    assert.deepEqual(parsed(lines[0])['err'], {
      message: 'the store is full',
      code: 'PETIOLE_STORE_FULL',
      cause: 'ENOSPC: no space left',
    })
    assert.match(JSON.stringify(parsed(lines[1])['err']), /"stack":"TypeError: broken\\n/)
  })

  it('is readable in a terminal', () => {
    const { log, lines } = logged({}, { format: 'pretty' })
    log.info({ port: 4222 }, 'Server is ready')
    assert.match(
      lines[0] ?? '',
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: Server is ready \{"port":4222\}\n$/,
    )
  })

  it("writes nats-server's lines when asked to", () => {
    const { log, lines } = logged({ log_format: 'text', logtime_utc: true })
    log.child({ cid: 7 }).warn({ reason: 'two words' }, 'slow')
    log.error({ err: new PetioleError('PETIOLE_X', 'no room\nat all') }, 'cannot store')
    const start = `^\\[${process.pid}\\] \\d{4}/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{6} `
    assert.match(lines[0] ?? '', new RegExp(`${start}\\[WRN\\] slow cid=7 reason="two words"\n$`))
    assert.match(lines[1] ?? '', new RegExp(`${start}\\[ERR\\] cannot store: no room; at all\n$`))
    const bare = logged({ log_format: 'text', logtime: false })
    bare.log.info({}, 'Server is ready')
    assert.equal(bare.lines[0], `[${process.pid}] [INF] Server is ready\n`)
  })

  it('takes other settings, and children follow', () => {
    const { log, lines } = logged()
    const child = log.child({ cid: 1 })
    child.debug({}, 'never')
    log.configure({ ...SETTINGS, debug: true, log_format: 'text', logtime: false })
    child.debug({}, 'now')
    assert.deepEqual(lines, [`[${process.pid}] [DBG] now cid=1\n`])
  })

  describe('in a file', () => {
    let directory: string
    beforeEach(async () => {
      directory = await mkdtemp(path.join(tmpdir(), 'petiole-log-'))
    })
    afterEach(() => rm(directory, { recursive: true }))

    it('appends, whole before the call returns', async () => {
      const file = path.join(directory, 'new', 'petiole.log')
      createLog({ ...SETTINGS, log_file: file }).info({}, 'one')
      createLog({ ...SETTINGS, log_file: file }).info({}, 'two')
      const lines = (await readFile(file, 'utf8')).trim().split('\n')
      assert.deepEqual(
        lines.map((line) => parsed(line)['msg']),
        ['one', 'two'],
      )
    })

    it('goes on under its name when it was moved away', async () => {
      const file = path.join(directory, 'petiole.log')
      const log = createLog({ ...SETTINGS, log_file: file })
      log.info({}, 'one')
      await rename(file, `${file}.old`)
      log.info({}, 'two')
      log.reopen()
      log.info({}, 'three')
      assert.equal((await readFile(`${file}.old`, 'utf8')).trim().split('\n').length, 2)
      assert.match(await readFile(file, 'utf8'), /three/)
    })

    it('is set aside when it is too large, and the newest are kept', async () => {
      const file = path.join(directory, 'petiole.log')
      const text = { ...SETTINGS, log_format: 'text' as const, log_file: file }
      const log = createLog({ ...text, logfile_size_limit: 300, logfile_max_num: 3 })
      for (let i = 0; i < 200; i++) log.info({ i }, 'a line of some length')
      const names = (await readdir(directory)).filter((name) => name !== 'petiole.log')
      assert.equal(names.length, 2)
      for (const name of names) assert.match(name, /^petiole\.log\.\d{4}(\.\d\d){5}\.\d{9}$/)
      const now = await readFile(file, 'utf8')
      assert.match(now, /^\[\d+\] .*\[INF\] Rotated log, backup saved as ".*petiole\.log\.\d/)
      assert(now.length < 2_000, String(now.length))
    })

    it('goes on when it cannot be set aside', async () => {
      const folder = path.join(directory, 'gone')
      await mkdir(folder)
      const file = path.join(folder, 'petiole.log')
      const log = createLog({ ...SETTINGS, log_file: file, logfile_size_limit: 100 })
      await rename(folder, path.join(directory, 'elsewhere'))
      for (let i = 0; i < 5; i++) log.info({ i }, 'a line of some length')
      const text = await readFile(path.join(directory, 'elsewhere', 'petiole.log'), 'utf8')
      assert.match(text, /Unable to rotate the logfile \(ENOENT/)
      assert.match(text, /"i":4/)
    })

    // A device that takes nothing, as a full disk; not every system has it.
    if (existsSync('/dev/full')) {
      it('loses lines while the disk is full, says so, and never throws', async () => {
        const file = path.join(directory, 'petiole.log')
        await symlink('/dev/full', file)
        const log = createLog({ ...SETTINGS, log_file: file })
        for (let i = 0; i < 3; i++) log.info({ i }, 'a line of some length')
        await unlink(file)
        log.reopen()
        log.info({}, 'there is room')
        log.info({}, 'still')
        const lines = (await readFile(file, 'utf8')).trim().split('\n').map(parsed)
        assert.deepEqual(
          lines.map(({ msg }) => msg),
          ['3 lines were lost: the log file could not be written', 'there is room', 'still'],
        )
      })
    }

    it('goes on in the file that it has when there is no room for another', async () => {
      const file = path.join(directory, 'petiole.log')
      const log = createLog({ ...SETTINGS, log_file: file })
      await unlink(file)
      await mkdir(file)
      assert.throws(() => log.reopen())
      log.info({}, 'nobody sees this')
      await rmdir(file)
      log.reopen()
      log.info({}, 'but this')
      assert.match(await readFile(file, 'utf8'), /but this/)
    })

    it('stays where it is when another cannot be opened', async () => {
      const file = path.join(directory, 'petiole.log')
      const log = createLog({ ...SETTINGS, log_file: file })
      const wrong = path.join(file, 'is-no-folder')
      assert.throws(() => log.configure({ ...SETTINGS, log_file: wrong }), { code: 'EEXIST' })
      log.info({}, 'still here')
      assert.match(await readFile(file, 'utf8'), /still here/)
    })
  })
})
