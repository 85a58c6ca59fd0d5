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
export { ConfigError, formatProblem, type Position, type Problem } from './problem.ts'
