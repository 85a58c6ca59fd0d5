import { type Accounts, createAccounts } from '../../shared/account/index.ts'
import { BROKER_DEFAULTS, type BrokerOptions } from '../../shared/broker/index.ts'
import { type CoreConfig, loadConfig } from '../../shared/config/index.ts'
import { BcryptThread, SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import { BrokerHarness } from './broker-harness.ts'
import { ConfigFiles } from './config-files.ts'

/** A broker as a nats-server.conf wants it: accounts, users, permissions and limits, on a port of its own. */
export class ConfiguredBroker {
  readonly harness: BrokerHarness
  readonly accounts: Accounts
  readonly #files: ConfigFiles

  private constructor(harness: BrokerHarness, accounts: Accounts, files: ConfigFiles) {
    this.harness = harness
    this.accounts = accounts
    this.#files = files
  }

  static async start(text: string): Promise<ConfiguredBroker> {
    const files = await ConfigFiles.create()
    const { config } = await loadConfig(
      new SystemDisk(),
      await files.write('test.conf', text),
      'hub',
    )
    const clock = new SystemClock()
    const passwords = new BcryptThread(clock)
    const accounts = await createAccounts(config, { clock, passwords })
    const harness = await BrokerHarness.start({
      authenticator: accounts.authenticator,
      dependencies: { accounts: accounts.book },
      options: optionsOf(config),
    })
    return new ConfiguredBroker(harness, accounts, files)
  }

  /** Goes on with another file, as a server does after SIGHUP. */
  async reload(text: string): Promise<void> {
    const file = await this.#files.write('test.conf', text)
    const { config } = await loadConfig(new SystemDisk(), file, 'hub')
    await this.accounts.update(config)
    this.harness.broker.recheck()
  }

  async stop(): Promise<void> {
    await this.harness.stop()
    this.accounts.close()
    await this.#files.remove()
  }
}

function optionsOf(config: CoreConfig): Partial<BrokerOptions> {
  return {
    ...BROKER_DEFAULTS,
    connectionsMax: config.max_connections,
    subscriptionsMax: config.max_subscriptions,
    subscriptionTokensMax: config.max_sub_tokens,
    payloadBytesMax: config.max_payload,
    controlLineBytesMax: config.max_control_line,
    supportsHeaders: !config.no_header_support,
    authTimeoutMs: config.authorization.timeout,
  }
}
