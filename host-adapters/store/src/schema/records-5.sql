-- The usage of one tenant is found without reading that of the others.
CREATE INDEX usage_of_tenant ON usage (tenant, hour, application, plugin);

-- The tokens that were issued with another one. A body that is no JSON any more is in no index, and opens nothing.
CREATE INDEX token_by_issuer ON token (json_extract(body, '$.created_by')) WHERE json_valid(body);

-- Those of a tenant that were not taken back, by their end.
CREATE INDEX token_not_revoked ON token (tenant, json_extract(body, '$.expires_ms'))
    WHERE json_valid(body) AND json_extract(body, '$.revoked') IS NULL;

-- Which components a tenant's deployments name is told without reading their texts, each of which may have a megabyte.
CREATE INDEX deployment_plugins ON deployment (tenant, application, number, plugins);
