/** Configuration: nats-server's syntax, our schema, every problem with its file and line. */
export type {
  AccountConfig,
  AccountLimitsConfig,
  AuthCalloutConfig,
  AuthorizationConfig,
  ConnectionType,
  ExportConfig,
  ImportConfig,
  JetStreamLimitsConfig,
  MappingConfig,
  OperatorConfig,
  PermissionsConfig,
  ResolverConfig,
  SubjectPermissionConfig,
  UserConfig,
} from './account-config.ts'
export { isCertificateUser } from './certificate-users.ts'
export type { ClusterConfig, GatewayConfig, PeerUrl } from './cluster-config.ts'
export type {
  BufferConfig,
  ConfigInput,
  CoreConfig,
  EncryptionConfig,
  FleetAccountConfig,
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
  WebSocketConfig,
} from './config.ts'
export { ROOT_ACCOUNT, SYSTEM_ACCOUNT } from './config.ts'
export { type FlagReading, flagsHelp, flagsToOverrides } from './flags.ts'
export { MQTT_DEFAULTS } from './limits.ts'
export {
  type Checked,
  checkConfig,
  type Loaded,
  loadConfig,
  parseConfig,
  roleOfFile,
} from './load.ts'
export type { MqttLimitsConfig } from './mqtt-config.ts'
export type { BridgedTopicsConfig, MqttRemoteConfig } from './mqtt-remote-config.ts'
export { ConfigError, formatProblem, type Position, type Problem } from './problem.ts'
export { type Comparison, compareConfigs } from './reload.ts'
export {
  parseScramVerifier,
  SCRAM_ITERATIONS_MIN,
  SCRAM_VERIFIER_START,
  type ScramVerifier,
} from './scram-verifier.ts'
export type { TlsConfig } from './tls-config.ts'
