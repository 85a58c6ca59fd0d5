/** Configuration: nats-server's syntax, our schema, every problem with its file and line. */
export type {
  AuthorizationConfig,
  BufferConfig,
  ConfigInput,
  CoreConfig,
  FleetConfig,
  FleetStreamConfig,
  HubConfig,
  JetStreamConfig,
  LeafConfig,
  LeafNodesConfig,
  ListenConfig,
  LogConfig,
  MqttConfig,
  RemoteConfig,
  RemoteUrl,
  Role,
  UserConfig,
  WebSocketConfig,
} from './config.ts'
export { ROOT_ACCOUNT } from './config.ts'
export { type FlagReading, flagsHelp, flagsToOverrides } from './flags.ts'
export { type Checked, checkConfig, type Loaded, loadConfig, parseConfig } from './load.ts'
export { ConfigError, formatProblem, type Position, type Problem } from './problem.ts'
