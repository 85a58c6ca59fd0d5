import assert from 'node:assert/strict'
import * as path from 'node:path'
import {
  ConfigError,
  checkConfig,
  flagsToOverrides,
  loadConfig,
  parseConfig,
} from '../../../shared/config/index.ts'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import { ConfigFiles } from '../../support/config-files.ts'

const EXAMPLES = path.resolve(import.meta.dirname, '../../../deploy/examples')
const disk = new SystemDisk()

describe('config: examples', () => {
  it('hub.conf is what a hub runs on', async () => {
    const { config, warnings } = await loadConfig(disk, path.join(EXAMPLES, 'hub.conf'), 'hub')
    assert.deepEqual(warnings, [])
    assert.equal(config.role, 'hub')
    assert.equal(config.port, 4222)
    assert.deepEqual(config.http, { host: '0.0.0.0', port: 8222 })
    assert.deepEqual(config.websocket?.listen, { host: '0.0.0.0', port: 8443 })
    assert.deepEqual(config.leafnodes.listen, { host: '0.0.0.0', port: 7422 })
    assert.equal(config.fleet.streams[0]?.max_age, 7 * 24 * 3_600_000)
  })

  it('leaf.conf is what a leaf runs on, and dials that hub', async () => {
    const { config, warnings } = await loadConfig(disk, path.join(EXAMPLES, 'leaf.conf'), 'leaf')
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      config.buffers.map(({ name }) => name),
      ['alarms', 'telemetry'],
    )
    assert.equal(config.buffers[1]?.max_bytes, 512 * 1024 * 1024)
    assert.deepEqual(
      config.buffers.map(({ priority }) => priority),
      [1, 5],
    )
    assert.equal(config.jetstream.store_dir, './data/press-7')
    assert.equal(config.mqtt?.listen.port, 1883)
    const url = config.leafnodes.remotes[0]?.urls[0]
    assert.deepEqual([url?.protocol, url?.host, url?.port], ['websocket', 'localhost', 8443])
  })

  it('each example is the role that its name says', async () => {
    for (const role of ['hub', 'leaf'] as const) {
      const checked = await checkConfig(disk, path.join(EXAMPLES, `${role}.conf`))
      assert.deepEqual(checked, { role, problems: [], warnings: [] })
    }
  })
})

describe('config: defaults and units', () => {
  it('are those of nats-server', () => {
    const config = parseConfig({}, 'hub')
    assert.equal(config.host, '0.0.0.0')
    assert.equal(config.port, 4222)
    assert.equal(config.max_payload, 1024 * 1024)
    assert.equal(config.max_control_line, 4096)
    assert.equal(config.max_pending, 64 * 1024 * 1024)
    assert.equal(config.max_connections, 65_536)
    assert.equal(config.ping_interval, 120_000)
    assert.equal(config.ping_max, 2)
    assert.equal(config.write_deadline, 10_000)
    assert.equal(config.http, undefined)
    assert.equal(config.jetstream.enabled, false)
    const { users, token, timeout, no_auth_user } = config.authorization
    assert.deepEqual([users, token, timeout, no_auth_user], [[], '', 2_000, ''])
  })

  it('a leaf always has its store', () => {
    const { jetstream } = parseConfig({ server_name: 'press-7' }, 'leaf')
    assert.equal(jetstream.enabled, true)
    assert.equal(jetstream.store_dir, './data/press-7')
  })

  it('reads durations with and without units', () => {
    const durations: readonly (readonly [unknown, number])[] = [
      ['250ms', 250],
      ['30s', 30_000],
      ['1h30m', 5_400_000],
      ['7d', 7 * 86_400_000],
      ['2w', 14 * 86_400_000],
      ['1.5s', 1_500],
      [20, 20_000],
      ['20', 20_000],
    ]
    for (const [written, ms] of durations) {
      assert.equal(
        parseConfig({ ping_interval: written }, 'hub').ping_interval,
        ms,
        String(written),
      )
    }
  })

  it('reads sizes in quotes as nats-server reads storage sizes', () => {
    const sizes: readonly (readonly [unknown, number])[] = [
      [1000, 1000],
      ['1K', 1024],
      ['2M', 2 * 1024 ** 2],
      ['3G', 3 * 1024 ** 3],
      ['512MB', 512 * 1024 ** 2],
      [-1, 0],
    ]
    for (const [written, bytes] of sizes) {
      const { jetstream } = parseConfig({ jetstream: { max_file: written } }, 'hub')
      assert.equal(jetstream.max_file, bytes, String(written))
    }
  })

  it('has what is stored looked through once a week, or as often as it says', () => {
    const intervalMs = (jetstream: Record<string, unknown>): number =>
      parseConfig({ jetstream }, 'leaf').jetstream.scrub_interval
    assert.equal(intervalMs({}), 7 * 24 * 3_600_000)
    assert.equal(intervalMs({ scrub_interval: '1d' }), 24 * 3_600_000)
    assert.equal(intervalMs({ scrub_interval: '0s' }), 0)
  })

  it('holds ten million subjects in memory, or as many as it says', () => {
    const subjectsOf = (jetstream: unknown): number =>
      parseConfig({ jetstream }, 'hub').jetstream.max_subjects_in_memory
    assert.equal(subjectsOf({}), 10_000_000)
    assert.equal(subjectsOf(true), 10_000_000)
    assert.equal(subjectsOf({ max_subjects_in_memory: 50_000 }), 50_000)
    for (const wrong of [0, 999, 100_000_001, -1, 2_000.5, 'many']) {
      assert.throws(
        () => subjectsOf({ max_subjects_in_memory: wrong }),
        /jetstream\.max_subjects_in_memory.*1000 to 100000000/,
        String(wrong),
      )
    }
  })

  it('gathers users of authorization and accounts, with their accounts', () => {
    const config = parseConfig(
      {
        authorization: { users: [{ username: 'a', pass: '1' }] },
        accounts: { FIRST: { users: [{ user: 'b', password: '2' }] }, second: {} },
        no_auth_user: 'b',
      },
      'hub',
    )
    assert.deepEqual(
      config.accounts.map(({ name }) => name),
      ['$G', 'FIRST', 'second', '$SYS'],
    )
    assert.deepEqual(
      config.authorization.users.map(({ user, password, account }) => [user, password, account]),
      [
        ['a', '1', '$G'],
        ['b', '2', 'FIRST'],
      ],
    )
    assert.equal(config.authorization.no_auth_user, 'b')
  })

  it('a timeout alone does not open leaf links to everybody', () => {
    const users = { user: 'a', password: 'b' }
    const config = parseConfig(
      { authorization: users, leafnodes: { port: -1, authorization: { timeout: 5 } } },
      'hub',
    )
    assert.equal(config.leafnodes.authorization, undefined)
    const own = parseConfig({ leafnodes: { port: -1, authorization: users } }, 'hub')
    assert.equal(own.leafnodes.authorization?.users.length, 1)
  })

  it('knows no key that the types do not', () => {
    const config = parseConfig({ listen: '1.2.3.4:5', http: ':8222', store_dir: 'x' }, 'leaf')
    assert.equal(config.host, '1.2.3.4')
    assert.equal(config.port, 5)
    assert.deepEqual(config.http, { host: '1.2.3.4', port: 8222 })
    for (const key of ['listen', 'http_port', 'store_dir', 'no_auth_user', 'fleet']) {
      assert(!(key in config), key)
    }
  })

  it('-1 and 0 take any free port', () => {
    assert.equal(parseConfig({ port: -1 }, 'hub').port, 0)
    assert.equal(parseConfig({ port: 0 }, 'hub').port, 0)
  })

  it('leaves out keys that are undefined', () => {
    assert.equal(parseConfig({ port: undefined, mqtt: undefined }, 'leaf').port, 4222)
  })

  it('says what is wrong with an object, without a place', () => {
    assert.throws(
      () => parseConfig({ prot: 1, mqtt: { port: 'x' } }, 'leaf'),
      (error) => {
        assert(error instanceof ConfigError)
        assert.equal(error.code, 'PETIOLE_CONFIG_INVALID')
        assert.equal(
          error.message,
          'prot: unknown key, did you mean "port"?\n' +
            'mqtt.port: must be a port from 1 to 65535, or -1 for any free one, not "x"',
        )
        return true
      },
    )
  })
})

describe('config: files', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  it('a missing file is one clear problem', async () => {
    const file = path.join(files.directory, 'absent.conf')
    await assert.rejects(loadConfig(disk, file, 'hub'), {
      code: 'PETIOLE_CONFIG_INVALID',
      message: `${file}: cannot read ${file}: there is no such file`,
    })
  })

  it('includes are relative to their file, and later keys count', async () => {
    await files.write('base.conf', 'port: 1\nserver_name: base\ninclude ./mqtt.conf')
    await files.write('mqtt.conf', 'mqtt { port: 1884 }')
    const file = await files.write('main.conf', "include 'base.conf'\nport: 2")
    const { config, warnings } = await loadConfig(disk, file, 'leaf')
    assert.deepEqual([config.port, config.server_name, config.mqtt?.listen.port], [2, 'base', 1884])
    assert.equal(warnings.length, 1)
  })

  it('a mistake in an included file names that file', async () => {
    await files.write('base.conf', '\nprot: 1')
    const checked = await files.check("include 'base.conf'", 'hub')
    assert.deepEqual(checked.problems, ['base.conf:2: prot: unknown key, did you mean "port"?'])
  })

  it('refuses a circle of includes', async () => {
    await files.write('one.conf', 'port: 1\ninclude two.conf')
    await files.write('two.conf', 'include one.conf')
    const { problems } = await files.check('include one.conf', 'hub')
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /^two\.conf:1: one\.conf includes itself$/)
  })

  it('an absent include is a problem at its line', async () => {
    const { problems } = await files.check('port: 1\ninclude nothing.conf', 'hub')
    assert.deepEqual(problems, ['test.conf:2: cannot read nothing.conf: there is no such file'])
  })

  it('variables come from keys, then blocks around, then the environment', async () => {
    const text =
      'NAME: outer\nSIZE: 2MB\nserver_name: $NAME\nmax_payload: $SIZE\n' +
      'jetstream { NAME: inner, domain: $NAME, store_dir: $DIR }\nping_max: $PINGS'
    const file = await files.write('variables.conf', text)
    const environment = { DIR: '"/a b"', PINGS: '$DEEP', DEEP: '3', NAME: 'never' }
    const { config } = await loadConfig(disk, file, 'hub', {}, environment)
    assert.equal(config.server_name, 'outer')
    assert.equal(config.max_payload, 2 * 1024 ** 2)
    assert.equal(config.jetstream.domain, 'inner')
    assert.equal(config.jetstream.store_dir, '/a b')
    assert.equal(config.ping_max, 3)
  })

  it('an unused key that no schema knows stays a mistake; a used one is a variable', async () => {
    assert.deepEqual((await files.check('TOKEN: x\nserver_name: $TOKEN', 'hub')).problems, [])
    assert.equal((await files.check('TOKEN: x', 'hub')).problems.length, 1)
  })

  it('a variable that is nowhere, or needs itself, is a problem', async () => {
    const text = 'server_name: $NOWHERE\nhost: $LOOP\nclient_advertise: $SECRET'
    const environment = { LOOP: '$LOOP', SECRET: 'hunter2 {' }
    const { problems } = await files.check(text, 'hub', environment)
    assert.deepEqual(problems, [
      'test.conf:1: $NOWHERE is neither an earlier key nor set in the environment',
      'test.conf:2: $LOOP refers to itself',
      `test.conf:3: the environment's SECRET is no value: it may need quotes, SECRET='"…"'`,
    ])
  })
})

describe('config: flags', () => {
  const withFlags = async (line: string, text: string, files: ConfigFiles) => {
    const file = await files.write('flags.conf', text)
    const { overrides } = flagsToOverrides(line.split(' '), 'hub')
    return (await loadConfig(disk, file, 'hub', overrides)).config
  }
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  it('come before what the file says, however that is spelt', async () => {
    const config = await withFlags(
      '-p 5000 -a 127.0.0.1 -m=9000 --name x -sd /s -l log -P pid -DV',
      'net: "1.1.1.1"\nlisten: "2.2.2.2:1"\nmonitor_port: 1\nserver_name: y\njetstream: true\nlogfile: q',
      files,
    )
    assert.equal(config.port, 5000)
    assert.equal(config.host, '127.0.0.1')
    assert.deepEqual(config.http, { host: '127.0.0.1', port: 9000 })
    assert.equal(config.server_name, 'x')
    assert.equal(config.jetstream.enabled, true)
    assert.equal(config.jetstream.store_dir, '/s')
    assert.deepEqual([config.log_file, config.pid_file], ['log', 'pid'])
    assert.deepEqual([config.debug, config.trace], [true, true])
  })

  it('turn JetStream on and set users as nats-server does', async () => {
    const config = await withFlags('-js --user a --pass b', '', files)
    assert.equal(config.jetstream.enabled, true)
    const [user, ...others] = config.authorization.users
    assert.deepEqual(
      [user?.user, user?.password, user?.account, others.length],
      ['a', 'b', '$G', 0],
    )
    const off = await withFlags('-sd /s', 'jetstream: false', files)
    assert.equal(off.jetstream.enabled, false)
  })

  it('a leaf has its own', () => {
    const { overrides } = flagsToOverrides(
      ['--hub', 'ws://a,ws://b:1', '--mqtt-port', '1884'],
      'leaf',
    )
    const config = parseConfig(overrides, 'leaf')
    assert.deepEqual(
      config.leafnodes.remotes[0]?.urls.map((url) => url.text),
      ['ws://a:80', 'ws://b:1'],
    )
    assert.equal(config.mqtt?.listen.port, 1884)
  })

  it('a wrong value is named with its key', async () => {
    const { overrides } = flagsToOverrides(['-p', 'abc'], 'hub')
    await assert.rejects(loadConfig(disk, undefined, 'hub', overrides), {
      message:
        'command line: port: must be a port from 1 to 65535, or -1 for any free one, not "abc"',
    })
  })

  const faults: readonly (readonly [args: readonly string[], message: string])[] = [
    [['--prot', '1'], 'unknown flag -prot, did you mean --port?\nunexpected argument "1"'],
    [['-p'], '-p needs a value'],
    [['stray'], 'unexpected argument "stray"'],
    [
      ['--tls', '-p', '1'],
      'TLS Server certificate must be present and valid: --tlscert FILE\n' +
        'TLS Server private key must be present and valid: --tlskey FILE',
    ],
    [
      ['-s', '-r=udp://a'],
      '-s is not supported, because the log goes to a file (-l) or to standard error, where systemd picks it up\n' +
        '-r is not supported, because the log goes to a file (-l) or to standard error, where systemd picks it up',
    ],
    [
      ['--cluster', 'nats://u:p@nowhere'],
      '--cluster nats://…@nowhere is no address: nats://host:port',
    ],
    [['-t'], '-t checks a configuration file: name it with -c FILE'],
    [['--hub', 'ws://a'], '-hub is for a leaf only'],
    [['--'], 'unexpected argument "--"'],
  ]
  for (const [args, message] of faults) {
    it(args.join(' '), () => {
      assert.throws(() => flagsToOverrides(args, 'hub'), { code: 'PETIOLE_BAD_FLAGS', message })
    })
  }

  it('replace the TLS of the file, or turn it off', async () => {
    const [a, b, c, d] = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => files.write(name, '')),
    )
    const file = `tls { cert_file: "${a}", key_file: "${b}", verify: true }`
    const own = await withFlags(`--tlscert ${c} --tlskey ${d}`, file, files)
    assert.deepEqual(own.tls?.certs, [{ cert_file: c, key_file: d }])
    assert.equal(own.tls?.verify, false)
    assert.equal((await withFlags('--tls=false', file, files)).tls, undefined)
    await assert.rejects(withFlags('--tlscert nowhere --tlskey x', '', files), {
      message: /tls\.cert_file: cannot read nowhere: there is no such file/,
    })
  })

  it('replace the cluster of the file, or turn it off', async () => {
    const file = 'cluster { listen: "1.1.1.1:1", authorization { user: a, password: b } }'
    const { cluster } = await withFlags(
      '--cluster nats://x:y@0.0.0.0:-1 --cluster_name c --routes nats://h:1,nats://i --no_advertise',
      file,
      files,
    )
    assert.deepEqual(cluster?.listen, { host: '0.0.0.0', port: 0 })
    assert.equal(cluster?.name, 'c')
    assert.equal(cluster?.no_advertise, true)
    assert.deepEqual(
      cluster?.authorization?.users.map(({ user, password }) => [user, password]),
      [['x', 'y']],
    )
    assert.deepEqual(
      cluster?.routes.map(({ text }) => text),
      ['nats://h:1', 'nats://i:6222'],
    )
    const bare = await withFlags('--cluster nats://2.2.2.2:2', file, files)
    assert.equal(bare.cluster?.authorization, undefined)
    assert.equal((await withFlags('--cluster=', file, files)).cluster, undefined)
  })

  it('tell what is wanted', () => {
    assert.equal(flagsToOverrides(['--signal', 'reload=7'], 'hub').signal, 'reload=7')
    assert.equal(flagsToOverrides(['-sl', 'ldm'], 'hub').wants, 'signal')
    assert.equal(flagsToOverrides(['help'], 'hub').wants, 'help')
    assert.equal(flagsToOverrides([], 'hub').wants, 'run')
    assert.equal(flagsToOverrides(['-t', '-c', 'a'], 'hub').wants, 'check')
    assert.equal(flagsToOverrides(['-t', '-c', 'a'], 'hub').configFile, 'a')
    assert.equal(flagsToOverrides(['--help', '--nonsense'], 'hub').wants, 'help')
    assert.equal(flagsToOverrides(['-v'], 'leaf').wants, 'version')
    assert.deepEqual(flagsToOverrides(['--profile', '1'], 'hub').warnings, [
      '-profile has no effect here',
    ])
    assert.equal(flagsToOverrides(['-D=false'], 'hub').overrides['debug'], false)
  })
})
