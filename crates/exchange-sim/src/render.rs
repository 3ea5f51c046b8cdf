//! Objects as Exchange writes them: plain texts in adapted properties, dates twice, remoting's own extras.

use std::{fmt::Write, time::Duration};

use exconn_model::{ObservedDevice, Timestamp};
use exconn_psrp::clixml::escape;

const EXTRAS: &str = "</Props><MS><S N=\"PSComputerName\">ex01</S><G N=\"RunspaceId\">3b6a27bc-ceb6-4a2d-92a3-a8d02a54989d\
    </G><B N=\"PSShowComputerName\">false</B></MS></Obj>";

/// `Get-MobileDevice`'s object, in the property order of the documentation.
pub(crate) fn device(device: &ObservedDevice, domain: &str, language: &str) -> String {
    let mut xml = String::with_capacity(3072);
    let device_type = device.device_type.as_deref().unwrap_or_default();
    let name = format!("{device_type}§{}", device.device_id);
    head(
        &mut xml,
        &[
            "Microsoft.Exchange.Data.Directory.SystemConfiguration.MobileDevice",
            "Microsoft.Exchange.Data.Directory.ADConfigurationObject",
            "Microsoft.Exchange.Data.Directory.ADObject",
            "Microsoft.Exchange.Data.Directory.ADRawEntry",
            "Microsoft.Exchange.Data.ConfigurableObject",
            "System.Object",
        ],
        &name,
    );
    let mailbox = device.user_display_name.as_deref().unwrap_or_default();
    let person = mailbox.rsplit('/').next().unwrap_or_default().replace(',', "\\,");
    let base = domain.split('.').map(|part| format!(",DC={part}")).collect::<String>();
    let identity = device.identity.as_deref().unwrap_or_default();
    text(&mut xml, "FriendlyName", device.friendly_name.as_deref());
    text(&mut xml, "DeviceId", Some(&device.device_id));
    text(&mut xml, "DeviceImei", device.imei.as_deref());
    text(&mut xml, "DeviceMobileOperator", device.mobile_operator.as_deref());
    text(&mut xml, "DeviceOS", device.operating_system.as_deref());
    text(&mut xml, "DeviceOSLanguage", Some(language));
    text(&mut xml, "DeviceTelephoneNumber", device.telephone_number.as_deref());
    text(&mut xml, "DeviceType", device.device_type.as_deref());
    text(&mut xml, "DeviceUserAgent", device.user_agent.as_deref());
    text(&mut xml, "DeviceModel", device.model.as_deref());
    moment(&mut xml, "FirstSyncTime", device.first_sync);
    text(&mut xml, "UserDisplayName", device.user_display_name.as_deref());
    text(&mut xml, "DeviceAccessState", device.access_state.as_deref());
    text(&mut xml, "DeviceAccessStateReason", device.access_state_reason.as_deref());
    match &device.access_rule {
        Some(rule) => text(&mut xml, "DeviceAccessControlRule", Some(rule)),
        None => nil(&mut xml, "DeviceAccessControlRule"),
    }
    text(&mut xml, "ClientVersion", device.client_version.as_deref());
    text(&mut xml, "ClientType", device.client_type.as_deref());
    for name in ["IsManaged", "IsCompliant", "IsDisabled"] {
        boolean(&mut xml, name, false);
    }
    text(&mut xml, "AdminDisplayName", None);
    text(&mut xml, "ExchangeVersion", Some("0.10 (14.0.100.0)"));
    text(&mut xml, "Name", Some(&name));
    text(
        &mut xml,
        "DistinguishedName",
        Some(&format!("CN={name},CN=ExchangeActiveSyncDevices,CN={person},OU=Staff{base}")),
    );
    text(&mut xml, "Identity", Some(identity));
    push(&mut xml, format_args!("<G N=\"Guid\">{}</G>", device.partnership));
    text(
        &mut xml,
        "ObjectCategory",
        Some(&format!("{domain}/Configuration/Schema/ms-Exch-Active-Sync-Device")),
    );
    xml.push_str(
        "<Obj N=\"ObjectClass\" RefId=\"1\"><TN RefId=\"1\"><T>Microsoft.Exchange.Data.MultiValuedProperty`1[[System.String, \
         mscorlib, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089]]</T>\
         <T>Microsoft.Exchange.Data.MultiValuedPropertyBase</T><T>System.Object</T></TN>\
         <LST><S>top</S><S>msExchActiveSyncDevice</S></LST></Obj>",
    );
    moment(&mut xml, "WhenChanged", device.changed);
    moment(&mut xml, "WhenCreated", device.created);
    moment(&mut xml, "WhenChangedUTC", device.changed);
    moment(&mut xml, "WhenCreatedUTC", device.created);
    text(&mut xml, "OrganizationId", None);
    text(&mut xml, "Id", Some(identity));
    text(&mut xml, "OriginatingServer", Some(&format!("dc01.{domain}")));
    boolean(&mut xml, "IsValid", true);
    text(&mut xml, "ObjectState", Some("Unchanged"));
    xml.push_str(EXTRAS);
    xml
}

/// `Get-OrganizationConfig`'s object.
pub(crate) fn organization(name: &str) -> String {
    let mut xml = String::with_capacity(1024);
    head(
        &mut xml,
        &["Microsoft.Exchange.Data.Directory.Management.ADOrganizationConfig", "System.Object"],
        name,
    );
    text(&mut xml, "Name", Some(name));
    text(&mut xml, "Identity", Some(name));
    boolean(&mut xml, "MapiHttpEnabled", true);
    boolean(&mut xml, "IsValid", true);
    xml.push_str(EXTRAS);
    xml
}

/// `Get-ExchangeServer`'s object.
pub(crate) fn server(fqdn: &str) -> String {
    let mut xml = String::with_capacity(1024);
    let name = fqdn.split('.').next().unwrap_or_default().to_uppercase();
    head(&mut xml, &["Microsoft.Exchange.Data.Directory.Management.ExchangeServer", "System.Object"], &name);
    text(&mut xml, "Name", Some(&name));
    text(&mut xml, "Fqdn", Some(fqdn));
    text(&mut xml, "AdminDisplayVersion", Some("Version 15.2 (Build 2562.17)"));
    text(&mut xml, "ServerRole", Some("Mailbox, ClientAccess"));
    text(&mut xml, "Edition", Some("Enterprise"));
    boolean(&mut xml, "IsValid", true);
    xml.push_str(EXTRAS);
    xml
}

/// `Get-MobileDeviceStatistics`'s object. A device that may sync does so twelve hours after it last changed.
pub(crate) fn statistics(device: &ObservedDevice) -> String {
    let mut xml = String::with_capacity(1536);
    let identity = device.identity.as_deref().unwrap_or_default();
    head(
        &mut xml,
        &["Microsoft.Exchange.Management.Tasks.MobileDeviceConfiguration", "System.Object"],
        identity,
    );
    let attempt = device.changed.map(|changed| changed.after(Duration::from_secs(12 * 3600)));
    let allowed = device.access_state.as_deref() == Some("Allowed");
    moment(&mut xml, "FirstSyncTime", device.first_sync);
    moment(&mut xml, "LastSyncAttemptTime", attempt);
    moment(&mut xml, "LastSuccessSync", attempt.filter(|_| allowed));
    text(&mut xml, "DeviceType", device.device_type.as_deref());
    text(&mut xml, "DeviceID", Some(&device.device_id));
    text(&mut xml, "DeviceFriendlyName", device.friendly_name.as_deref());
    for name in ["DeviceWipeSentTime", "DeviceWipeRequestTime", "DeviceWipeAckTime"] {
        nil(&mut xml, name);
    }
    text(&mut xml, "Identity", Some(identity));
    push(&mut xml, format_args!("<G N=\"Guid\">{}</G>", device.partnership));
    text(&mut xml, "Status", Some("DeviceOk"));
    text(&mut xml, "DeviceAccessState", device.access_state.as_deref());
    text(&mut xml, "DeviceAccessStateReason", device.access_state_reason.as_deref());
    xml.push_str(EXTRAS);
    xml
}

/// `Get-Command`'s object.
pub(crate) fn command<'a>(name: &str, parameters: impl Iterator<Item = &'a str>) -> String {
    let mut xml = String::with_capacity(1536);
    head(
        &mut xml,
        &["System.Management.Automation.FunctionInfo", "System.Management.Automation.CommandInfo"],
        name,
    );
    text(&mut xml, "Name", Some(name));
    text(&mut xml, "CommandType", Some("Function"));
    xml.push_str(
        "<Obj N=\"Parameters\" RefId=\"1\"><TN RefId=\"1\"><T>System.Collections.Generic.Dictionary`2[[System.String, \
         mscorlib],[System.Management.Automation.ParameterMetadata, System.Management.Automation]]</T>\
         <T>System.Object</T></TN><DCT>",
    );
    for parameter in parameters {
        push(&mut xml, format_args!("<En><S N=\"Key\">{parameter}</S><S N=\"Value\">{parameter}</S></En>"));
    }
    xml.push_str("</DCT></Obj>");
    xml.push_str(EXTRAS);
    xml
}

fn head(xml: &mut String, types: &[&str], to_string: &str) {
    xml.push_str("<Obj RefId=\"0\"><TN RefId=\"0\">");
    for name in types {
        push(xml, format_args!("<T>{name}</T>"));
    }
    push(xml, format_args!("</TN><ToString>{}</ToString><Props>", escape(to_string)));
}

fn text(xml: &mut String, name: &str, value: Option<&str>) {
    push(xml, format_args!("<S N=\"{name}\">"));
    xml.push_str(&escape(value.unwrap_or_default()));
    xml.push_str("</S>");
}

fn moment(xml: &mut String, name: &str, value: Option<Timestamp>) {
    match value {
        Some(moment) => push(xml, format_args!("<DT N=\"{name}\">{moment}</DT>")),
        None => nil(xml, name),
    }
}

fn boolean(xml: &mut String, name: &str, value: bool) {
    push(xml, format_args!("<B N=\"{name}\">{value}</B>"));
}

fn nil(xml: &mut String, name: &str) {
    push(xml, format_args!("<Nil N=\"{name}\" />"));
}

fn push(xml: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = xml.write_fmt(arguments);
}
