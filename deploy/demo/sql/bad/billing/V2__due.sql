alter table invoices add column due date;
