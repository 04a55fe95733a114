"""One YAML file -> frozen structs. An unknown key, a wrong type or a bad value is a ConfigError.

Secrets are never written in the YAML: it names environment variables. The exception is the demo,
whose simulated account has a public secret.
"""

from common.config.alerts import (
    AlertsConfig as AlertsConfig,
    MailConfig as MailConfig,
    WatchdogConfig as WatchdogConfig,
)
from common.config.base import (
    Config as Config,
)
from common.config.bus import (
    BusConfig as BusConfig,
    ElsewhereConfig as ElsewhereConfig,
)
from common.config.checks import (
    ACCOUNT_NAME as ACCOUNT_NAME,
    STRATEGY_NAME as STRATEGY_NAME,
    check_strategy as check_strategy,
)
from common.config.desk import (
    DeskConfig as DeskConfig,
    RecorderConfig as RecorderConfig,
    StrategyConfig as StrategyConfig,
)
from common.config.gateway import (
    GatewayConfig as GatewayConfig,
    KeyConfig as KeyConfig,
    KeyFileConfig as KeyFileConfig,
)
from common.config.limits import (
    ExposureLimitsConfig as ExposureLimitsConfig,
    LimitsConfig as LimitsConfig,
    LossConfig as LossConfig,
    RiskConfig as RiskConfig,
)
from common.config.reading import (
    load as load,
    load_keys as load_keys,
    load_risk as load_risk,
)
from common.config.secret import (
    Credentials as Credentials,
    CredentialsConfig as CredentialsConfig,
    Secret as Secret,
    credentials as credentials,
)
from common.config.simulator import (
    SimulatorAccountConfig as SimulatorAccountConfig,
    SimulatorConfig as SimulatorConfig,
)
from common.config.venue import (
    AccountConfig as AccountConfig,
    MarketDataConfig as MarketDataConfig,
    VenueConfig as VenueConfig,
)
