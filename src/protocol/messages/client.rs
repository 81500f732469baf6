//! Client: connection, cluster view, proxies, schemas.

use bytes::Bytes;

use crate::custom::{Address, DistributedObjectInfo, MemberInfo, Schema, Version};
use crate::field::{Entries, ProtocolUuid};
use crate::message::messages;

messages! {
    service Client = 0x00;

    0x01 Authentication authentication retryable anywhere
        {
            cluster_name: String, username: Option<String>, password: Option<String>,
            uuid: Option<ProtocolUuid>, client_type: String, serialization_version: i8,
            client_hazelcast_version: String, client_name: String, labels: Vec<String>,
            #[since("2.8")] routing_mode: i8, #[since("2.8")] cp_direct_to_leader_routing: bool
        } => {
            status: i8, address: Option<Address>, member_uuid: Option<ProtocolUuid>,
            serialization_version: i8, server_hazelcast_version: String, partition_count: i32,
            cluster_id: Option<ProtocolUuid>, failover_supported: bool,
            #[since("2.7")] tpc_ports: Option<Vec<i32>>, #[since("2.7")] tpc_token: Option<Bytes>,
            #[since("2.7")] member_list_version: i32,
            #[since("2.7")] member_infos: Vec<MemberInfo>,
            #[since("2.7")] partition_list_version: i32,
            #[since("2.7")] partitions: Entries<ProtocolUuid, Vec<i32>>,
            #[since("2.8")] key_value_pairs: Entries<String, String>
        };

    0x02 AuthenticationCustom authentication_custom retryable anywhere
        {
            cluster_name: String, credentials: Bytes, uuid: Option<ProtocolUuid>,
            client_type: String, serialization_version: i8, client_hazelcast_version: String,
            client_name: String, labels: Vec<String>, #[since("2.8")] routing_mode: i8,
            #[since("2.8")] cp_direct_to_leader_routing: bool
        } => {
            status: i8, address: Option<Address>, member_uuid: Option<ProtocolUuid>,
            serialization_version: i8, server_hazelcast_version: String, partition_count: i32,
            cluster_id: Option<ProtocolUuid>, failover_supported: bool,
            #[since("2.7")] tpc_ports: Option<Vec<i32>>, #[since("2.7")] tpc_token: Option<Bytes>,
            #[since("2.7")] member_list_version: i32,
            #[since("2.7")] member_infos: Option<Vec<MemberInfo>>,
            #[since("2.7")] partition_list_version: i32,
            #[since("2.7")] partitions: Option<Entries<ProtocolUuid, Vec<i32>>>,
            #[since("2.8")] key_value_pairs: Entries<String, String>
        };

    0x03 AddClusterViewListener add_cluster_view_listener once anywhere
        {} => {}
        event 2 MembersViewEvent { version: i32, member_infos: Vec<MemberInfo> }
        event 3 PartitionsViewEvent { version: i32, partitions: Entries<ProtocolUuid, Vec<i32>> }
        #[since("2.8")]
        event 4 MemberGroupsViewEvent { version: i32, member_groups: Vec<Vec<ProtocolUuid>> }
        #[since("2.8")]
        event 5 ClusterVersionEvent { version: Version };

    0x04 CreateProxy create_proxy once anywhere
        { name: String, service_name: String } => {};

    0x05 DestroyProxy destroy_proxy once anywhere
        { name: String, service_name: String } => {};

    0x08 GetDistributedObjects get_distributed_objects once anywhere
        {} => { response: Vec<DistributedObjectInfo> };

    0x09 AddDistributedObjectListener add_distributed_object_listener once anywhere
        { local_only: bool } => { response: ProtocolUuid }
        event 2 DistributedObjectEvent {
            name: String, service_name: String, event_type: String, source: ProtocolUuid
        };

    0x0a RemoveDistributedObjectListener remove_distributed_object_listener retryable anywhere
        { registration_id: ProtocolUuid } => { response: bool };

    0x0b Ping ping retryable anywhere
        {} => {};

    0x0c Statistics statistics once anywhere
        { timestamp: i64, client_attributes: String, metrics_blob: Bytes } => {};

    0x0e CreateProxies create_proxies once anywhere
        { proxies: Entries<String, String> } => {};

    0x0f LocalBackupListener local_backup_listener once anywhere
        {} => { response: ProtocolUuid }
        backup_event 2 BackupEvent { source_invocation_correlation_id: i64 };

    #[since("2.5")]
    0x13 SendSchema send_schema retryable anywhere
        { schema: Schema } => { replicated_members: Vec<ProtocolUuid> };

    #[since("2.5")]
    0x14 FetchSchema fetch_schema retryable anywhere
        { schema_id: i64 } => { schema: Option<Schema> };

    #[since("2.5")]
    0x15 SendAllSchemas send_all_schemas retryable anywhere
        { schemas: Vec<Schema> } => {};
}
